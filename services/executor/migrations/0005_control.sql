-- Control over jobs: when they may run and must have ended, who wants one ended, and since when an outcome is not known.
ALTER TABLE job
    ADD COLUMN run_after           timestamptz,
    ADD COLUMN due_at              timestamptz,
    ADD COLUMN cancel_after        timestamptz,
    ADD COLUMN cancel_requested_at timestamptz,
    ADD COLUMN wished_by           text        NOT NULL DEFAULT '',
    ADD COLUMN wished_key_id       text        NOT NULL DEFAULT '',
    ADD COLUMN wished_reason       text        NOT NULL DEFAULT '',
    ADD COLUMN indeterminate_at    timestamptz,
    DROP CONSTRAINT only_queued_jobs_with_a_limit_wait_before_a_gate,
    ADD CONSTRAINT only_queued_jobs_with_a_limit_or_a_delay_are_outside_the_queue
        CHECK (NOT gated OR (state = 'QUEUED' AND (concurrency > 0 OR due_at IS NOT NULL))),
    ADD CONSTRAINT delayed_jobs_are_outside_the_queue CHECK (due_at IS NULL OR gated),
    ADD CONSTRAINT a_job_to_be_canceled_neither_waits_nor_stays_open
        CHECK (cancel_requested_at IS NULL OR state NOT IN ('QUEUED', 'INDETERMINATE'));
COMMENT ON COLUMN job.run_after IS 'It does not begin before; NULL: it was not delayed';
COMMENT ON COLUMN job.due_at IS 'QUEUED and delayed: when it comes to the queue, or to its gate; NULL: it may be there';
COMMENT ON COLUMN job.gated IS 'It is delayed or waits before a gate, and has no turn in the queue yet';
COMMENT ON COLUMN job.cancel_after IS 'It is canceled where it has not ended by then';
COMMENT ON COLUMN job.cancel_requested_at IS 'Since when its call is to be stopped';
COMMENT ON COLUMN job.wished_by IS 'Who canceled or settled it, from an identity; empty: nobody';
COMMENT ON COLUMN job.indeterminate_at IS 'When its outcome was found not to be known';

UPDATE job SET indeterminate_at = clock_timestamp() WHERE state = 'INDETERMINATE';
ALTER TABLE job ADD CONSTRAINT indeterminate_since_a_time CHECK (state <> 'INDETERMINATE' OR indeterminate_at IS NOT NULL);

-- An account has a turn a round for each priority, so its own batch holds up none of its interactive jobs.
DROP INDEX job_turn;
CREATE INDEX job_turn ON job (account_id, priority, round) WHERE state = 'QUEUED' AND NOT gated;
DROP INDEX job_gate;
CREATE INDEX job_gate ON job (account_id, tool, gated, priority, created_at, job_id)
    WHERE concurrency > 0 AND due_at IS NULL AND state IN ('QUEUED', 'RUNNING');
-- Delayed jobs, waiting jobs with a deadline, and jobs whose outcome is not known.
CREATE INDEX job_due ON job (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX job_deadline ON job (cancel_after) WHERE state = 'QUEUED' AND cancel_after IS NOT NULL;
CREATE INDEX job_indeterminate ON job (indeterminate_at) WHERE state = 'INDETERMINATE';
-- Everybody's jobs, newest first.
CREATE INDEX job_newest ON job (created_at DESC, job_id DESC);
