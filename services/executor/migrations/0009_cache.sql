-- Outputs of deterministic tools are given again to an account that asks for the same.
ALTER TABLE job ADD COLUMN cached_until timestamptz;
COMMENT ON COLUMN job.cached_until IS 'Until when its output is given again; NULL: it is not';
CREATE INDEX job_cached ON job (account_id, input_digest, tool, tool_version, cached_until)
    WHERE cached_until IS NOT NULL;
