-- Contents of jobs (input, output, their files) are removed some time after the job is settled; the record stays.
ALTER TABLE job
    ADD COLUMN content_expires_at timestamptz,
    ADD COLUMN content_removed_at timestamptz;
COMMENT ON COLUMN job.content_expires_at IS 'From when input, output and files are removed; NULL: it is not settled';
COMMENT ON COLUMN job.content_removed_at IS 'When they were; NULL: they are there';

-- What was settled before has the usual time from now on.
UPDATE job SET content_expires_at = greatest(clock_timestamp() + interval '30 days', cached_until)
 WHERE settlement <> 'PENDING';

ALTER TABLE job
    DROP CONSTRAINT output_when_succeeded,
    ADD CONSTRAINT output_when_succeeded_until_removed
        CHECK ((output_json IS NOT NULL) = (state = 'SUCCEEDED' AND content_removed_at IS NULL)),
    ADD CONSTRAINT contents_expire_once_settled CHECK (content_expires_at IS NULL OR settlement <> 'PENDING'),
    ADD CONSTRAINT contents_expire_after_they_are_given_again CHECK (content_expires_at >= cached_until),
    ADD CONSTRAINT contents_are_removed_when_expired
        CHECK (content_removed_at IS NULL OR (content_expires_at IS NOT NULL AND content_expires_at <= content_removed_at));

CREATE INDEX job_content ON job (content_expires_at) WHERE content_expires_at IS NOT NULL AND content_removed_at IS NULL;

GRANT DELETE ON job_file, work TO scrip_executor;
