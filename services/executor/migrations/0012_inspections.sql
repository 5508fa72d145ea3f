-- The provider of a job whose outcome is not known is asked what became of it, where its tool says how.
ALTER TABLE job
    ADD COLUMN inspect_at  timestamptz,
    ADD COLUMN inspections int NOT NULL DEFAULT 0;
COMMENT ON COLUMN job.inspect_at IS
    'INDETERMINATE: from when any executor may inspect it; NULL: nobody has yet; infinity: its tool has no inspect';
COMMENT ON COLUMN job.inspections IS 'How often an executor took its turn to inspect it';
CREATE INDEX job_to_inspect ON job (coalesce(inspect_at, indeterminate_at)) WHERE state = 'INDETERMINATE';
