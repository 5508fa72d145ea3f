-- What each call of a tool came to, and what is known of its provider, for whoever compares its bill with ours.
ALTER TABLE attempt
    ADD COLUMN error_reason        text   NOT NULL DEFAULT '',
    ADD COLUMN provider            text   NOT NULL DEFAULT '',
    ADD COLUMN provider_request_id text   NOT NULL DEFAULT '',
    ADD COLUMN provider_status     int    NOT NULL DEFAULT 0,
    ADD COLUMN provider_latency_ms bigint NOT NULL DEFAULT 0,
    ADD COLUMN provider_usage      jsonb  NOT NULL DEFAULT '{}';
COMMENT ON COLUMN attempt.ending IS 'Why it ended, a stable word; empty: it is under way';
COMMENT ON COLUMN attempt.provider IS 'Who was called; empty: nobody, or that is not known';
COMMENT ON COLUMN attempt.provider_usage IS 'By unit: what the provider says was used';

-- The reconciler compares what was settled since it last looked.
ALTER TABLE job ADD COLUMN settled_at timestamptz;
COMMENT ON COLUMN job.settled_at IS 'When what the ledger said of its cost was written; NULL also where that was before this column';
CREATE INDEX job_settled ON job (settled_at, job_id) WHERE settled_at IS NOT NULL;
CREATE INDEX job_refused ON job (finished_at) WHERE settlement = 'REFUSED';
CREATE INDEX job_unknown ON job (created_at) WHERE state = 'INDETERMINATE';

-- Whose turn it is to reconcile, and how far that has come.
CREATE TABLE reconciliation (
    single         boolean     NOT NULL DEFAULT true CONSTRAINT there_is_one_row CHECK (single),
    next_at        timestamptz NOT NULL,
    compared_until timestamptz NOT NULL,
    ran_at         timestamptz,
    CONSTRAINT one_reconciliation PRIMARY KEY (single)
);
COMMENT ON COLUMN reconciliation.next_at IS 'From when any executor may take the next turn';
COMMENT ON COLUMN reconciliation.compared_until IS 'Jobs settled until then have been compared with their reservations';
COMMENT ON COLUMN reconciliation.ran_at IS 'When the last run that came to its end began';
INSERT INTO reconciliation (next_at, compared_until) VALUES (clock_timestamp(), clock_timestamp());

-- Where jobs and reservations did not fit together at the last run.
CREATE TABLE finding (
    kind          text        NOT NULL,
    account_id    text        NOT NULL,
    job_id        text        NOT NULL,
    tool          text        NOT NULL,
    reason        text        NOT NULL,
    job_micros    bigint      NOT NULL,
    ledger_micros bigint      NOT NULL,
    since         timestamptz NOT NULL,
    found_at      timestamptz NOT NULL,
    CONSTRAINT one_finding_of_a_kind_a_job PRIMARY KEY (kind, account_id, job_id)
);

GRANT SELECT, UPDATE ON reconciliation TO scrip_executor;
GRANT SELECT, INSERT, UPDATE, DELETE ON finding TO scrip_executor;
