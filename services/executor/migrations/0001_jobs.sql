-- Jobs: the row is the record of the job and its place in the queue.
CREATE TABLE job (
    job_id            text        NOT NULL,
    account_id        text        NOT NULL,
    tool              text        NOT NULL,
    tool_version      int         NOT NULL,
    price_version     int         NOT NULL,
    quote             bytea       NOT NULL,
    input_digest      text        NOT NULL,
    input_json        bytea       NOT NULL,
    file_count        smallint    NOT NULL CONSTRAINT file_count_not_negative CHECK (file_count >= 0),
    key_id            text        NOT NULL,
    reference         text        NOT NULL,
    labels            jsonb       NOT NULL,
    trace_id          text        NOT NULL,
    reserved_micros   bigint      NOT NULL,
    quoted_micros     bigint      NOT NULL,
    round             bigint      NOT NULL,
    priority          smallint    NOT NULL,
    state             text        NOT NULL,
    held_until        timestamptz NOT NULL,
    fence             bigint      NOT NULL,
    worker            text        NOT NULL,
    attempts          smallint    NOT NULL DEFAULT 0,
    created_at        timestamptz NOT NULL,
    started_at        timestamptz,
    finished_at       timestamptz,
    duration_ms       bigint      NOT NULL DEFAULT 0,
    units             jsonb       NOT NULL,
    output_json       bytea,
    error_reason      text        NOT NULL DEFAULT '',
    error_message     text        NOT NULL DEFAULT '',
    charge_micros     bigint      NOT NULL DEFAULT 0,
    shortfall_micros  bigint      NOT NULL DEFAULT 0,
    captured_micros   bigint      NOT NULL DEFAULT 0,
    settlement        text        NOT NULL DEFAULT 'PENDING',
    settlement_reason text        NOT NULL DEFAULT '',
    settle_at         timestamptz,
    settle_tries      int         NOT NULL DEFAULT 0,
    CONSTRAINT one_row_a_job PRIMARY KEY (job_id),
    CONSTRAINT state_is_known
        CHECK (state IN ('QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELED', 'INDETERMINATE')),
    CONSTRAINT settlement_is_known CHECK (settlement IN ('PENDING', 'SETTLED', 'REFUSED')),
    CONSTRAINT finished_when_ended
        CHECK ((finished_at IS NOT NULL) = (state IN ('SUCCEEDED', 'FAILED', 'CANCELED'))),
    CONSTRAINT settle_at_when_ended CHECK ((settle_at IS NOT NULL) = (finished_at IS NOT NULL)),
    CONSTRAINT output_when_succeeded CHECK ((output_json IS NOT NULL) = (state = 'SUCCEEDED')),
    CONSTRAINT error_when_not_succeeded
        CHECK ((error_reason <> '') = (state IN ('FAILED', 'CANCELED', 'INDETERMINATE'))),
    CONSTRAINT running_since_an_attempt CHECK (state <> 'RUNNING' OR (attempts > 0 AND started_at IS NOT NULL)),
    CONSTRAINT only_ended_jobs_are_settled CHECK (settlement = 'PENDING' OR finished_at IS NOT NULL),
    CONSTRAINT only_ended_jobs_cost CHECK (charge_micros = 0 OR finished_at IS NOT NULL),
    CONSTRAINT refused_settlement_says_why CHECK ((settlement_reason <> '') = (settlement = 'REFUSED')),
    CONSTRAINT amounts_not_negative CHECK (least(reserved_micros, quoted_micros, charge_micros, captured_micros) >= 0),
    CONSTRAINT shortfall_is_charge_beyond_reserved
        CHECK (shortfall_micros = greatest(charge_micros - reserved_micros, 0)),
    CONSTRAINT captured_within_reserved CHECK (captured_micros <= reserved_micros)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000, fillfactor = 80);
COMMENT ON COLUMN job.round IS 'Turn in the queue: an account has one waiting job a round, so none starves another';
COMMENT ON COLUMN job.held_until IS 'QUEUED: nobody may claim it before; RUNNING: until when its worker holds it';
COMMENT ON COLUMN job.fence IS 'Grows with each claim and each return to the queue; a worker writes only under its own';
COMMENT ON COLUMN job.settle_at IS 'From when any executor may take up the settlement';

-- The queue, in the order of service.
CREATE INDEX job_queue ON job (round, priority, created_at, job_id) WHERE state = 'QUEUED';
-- The last turn an account has in the queue.
CREATE INDEX job_turn ON job (account_id, round) WHERE state = 'QUEUED';
-- What leases are looked through for.
CREATE INDEX job_running ON job (worker) WHERE state = 'RUNNING';
-- What is not settled.
CREATE INDEX job_unsettled ON job (settle_at) WHERE settlement = 'PENDING' AND finished_at IS NOT NULL;
-- An account's jobs, newest first.
CREATE INDEX job_of_account ON job (account_id, created_at DESC, job_id DESC);

-- File-valued properties of inputs.
CREATE TABLE job_file (
    job_id     text  NOT NULL REFERENCES job,
    property   text  NOT NULL,
    media_type text  NOT NULL,
    data       bytea NOT NULL,
    CONSTRAINT one_file_a_property PRIMARY KEY (job_id, property)
);
ALTER TABLE job_file ALTER COLUMN data SET STORAGE EXTERNAL;

-- Calls of tools: the row is committed before the call leaves.
CREATE TABLE attempt (
    job_id      text        NOT NULL REFERENCES job,
    fence       bigint      NOT NULL,
    number      smallint    NOT NULL,
    worker      text        NOT NULL,
    retry       text        NOT NULL CONSTRAINT retry_is_known CHECK (retry IN ('safe', 'unsafe')),
    started_at  timestamptz NOT NULL,
    deadline_at timestamptz NOT NULL CONSTRAINT deadline_after_start CHECK (deadline_at > started_at),
    ended_at    timestamptz,
    ending      text        NOT NULL DEFAULT '',
    CONSTRAINT one_attempt_a_fence PRIMARY KEY (job_id, fence),
    CONSTRAINT one_attempt_a_number UNIQUE (job_id, number),
    CONSTRAINT ending_when_ended CHECK ((ending <> '') = (ended_at IS NOT NULL))
);

-- The event log (services/runtime/event_log.py), four shards for ever: an account's shard follows from its id.
CREATE TABLE log (
    shard          int         NOT NULL,
    seq            bigint      NOT NULL,
    first_position bigint      NOT NULL,
    n              int         NOT NULL,
    at             timestamptz NOT NULL,
    writer         text        NOT NULL,
    hash           bytea       NOT NULL CONSTRAINT hash_is_sha256 CHECK (length(hash) = 32),
    body           bytea       NOT NULL,
    CONSTRAINT one_commit_a_sequence_number PRIMARY KEY (shard, seq)
);
ALTER TABLE log ALTER COLUMN body SET STORAGE EXTERNAL;

CREATE TABLE head (
    shard         int    PRIMARY KEY,
    seq           bigint NOT NULL,
    next_position bigint NOT NULL,
    hash          bytea  NOT NULL
) WITH (fillfactor = 10);

CREATE TABLE cursor (
    consumer text   NOT NULL,
    shard    int    NOT NULL,
    seq      bigint NOT NULL,
    PRIMARY KEY (consumer, shard)
);

INSERT INTO log (shard, seq, first_position, n, at, writer, hash, body)
SELECT shard, 0, 0, 0, now(), 'genesis', decode(repeat('00', 32), 'hex'), '' FROM generate_series(0, 3) AS shard;
INSERT INTO head (shard, seq, next_position, hash)
SELECT shard, 0, 1, decode(repeat('00', 32), 'hex') FROM generate_series(0, 3) AS shard;
INSERT INTO cursor (consumer, shard, seq) SELECT 'relay', shard, 0 FROM generate_series(0, 3) AS shard;

GRANT SELECT, INSERT, UPDATE ON job, attempt TO scrip_executor;
GRANT SELECT, INSERT ON job_file TO scrip_executor;
GRANT SELECT, INSERT ON log TO scrip_executor;
GRANT SELECT, UPDATE ON head, cursor TO scrip_executor;
