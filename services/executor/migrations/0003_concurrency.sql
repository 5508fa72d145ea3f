-- Jobs of tools that let so many jobs of an account run at once wait before a gate (store/gates.py), outside the queue.
ALTER TABLE job
    ADD COLUMN concurrency int     NOT NULL DEFAULT 0,
    ADD COLUMN gated       boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT concurrency_not_negative CHECK (concurrency >= 0),
    ADD CONSTRAINT only_queued_jobs_with_a_limit_wait_before_a_gate
        CHECK (NOT gated OR (concurrency > 0 AND state = 'QUEUED'));
COMMENT ON COLUMN job.concurrency IS 'How many jobs of its account and tool may be beyond the gate at once; 0: there is no gate';
COMMENT ON COLUMN job.gated IS 'It waits before the gate, and has no turn in the queue yet';

DROP INDEX job_queue;
CREATE INDEX job_queue ON job (round, priority, created_at, job_id) WHERE state = 'QUEUED' AND NOT gated;
DROP INDEX job_turn;
CREATE INDEX job_turn ON job (account_id, round) WHERE state = 'QUEUED' AND NOT gated;
-- Who waits before a gate, in their order, and who is beyond it.
CREATE INDEX job_gate ON job (account_id, tool, gated, priority, created_at, job_id)
    WHERE concurrency > 0 AND state IN ('QUEUED', 'RUNNING');
