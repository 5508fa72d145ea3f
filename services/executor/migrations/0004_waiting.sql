-- The gateway reserves for a minute, until the executor has the job; whoever waits longer has its reservation extended.
ALTER TABLE job ADD COLUMN keep_at timestamptz;
COMMENT ON COLUMN job.keep_at IS 'QUEUED: from when any executor extends its reservation; NULL: that was done';
UPDATE job SET keep_at = clock_timestamp() WHERE state = 'QUEUED';
CREATE INDEX job_to_keep ON job (keep_at) WHERE state = 'QUEUED' AND keep_at IS NOT NULL;
