-- A job whose tool may be called again runs again after its worker was lost, so often; other ways back do not count.
ALTER TABLE job ADD COLUMN losses smallint NOT NULL DEFAULT 0;
COMMENT ON COLUMN job.losses IS 'Attempts whose worker was lost';
UPDATE job SET losses = attempts WHERE state IN ('QUEUED', 'RUNNING');
