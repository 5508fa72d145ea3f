-- The log: one row a commit, append-only by privilege. Its primary key is the lock of a shard.
CREATE TABLE log (
    shard          int         NOT NULL CONSTRAINT shard_not_negative CHECK (shard >= 0),
    seq            bigint      NOT NULL,
    first_position bigint      NOT NULL,
    n              int         NOT NULL,
    at             timestamptz NOT NULL,
    writer         text        NOT NULL,
    hash           bytea       NOT NULL CONSTRAINT hash_is_sha256 CHECK (length(hash) = 32),
    body           bytea       NOT NULL,
    CONSTRAINT one_commit_a_sequence_number PRIMARY KEY (shard, seq)
);
-- Compression would cost more on the hot path than it saves.
ALTER TABLE log ALTER COLUMN body SET STORAGE EXTERNAL;
COMMENT ON TABLE log IS 'Commits of the ledger; body is a scrip.ledger.v1.EventBatch, hash the SHA-256 chain';

-- How far a reader of the log is.
CREATE TABLE cursor (
    consumer text   NOT NULL,
    shard    int    NOT NULL,
    seq      bigint NOT NULL,
    PRIMARY KEY (consumer, shard)
);

-- Statement lines, written after the commit they come from.
CREATE TABLE entry (
    account_id      text        NOT NULL,
    position        bigint      NOT NULL,
    shard           int         NOT NULL,
    at              timestamptz NOT NULL,
    kind            smallint    NOT NULL,
    amount          bigint      NOT NULL,
    available_after bigint      NOT NULL,
    reserved_after  bigint      NOT NULL,
    grant_id        text        NOT NULL,
    reservation_id  text        NOT NULL,
    event           bytea       NOT NULL,
    PRIMARY KEY (account_id, position)
);
COMMENT ON COLUMN entry.event IS 'The serialized scrip.ledger.v1.Event, for the columns a statement seldom needs';

-- Sixteen shards, for ever: an account's shard follows from its id and their number.
INSERT INTO log (shard, seq, first_position, n, at, writer, hash, body)
SELECT shard, 0, 0, 0, 'epoch', 'genesis', decode(repeat('00', 32), 'hex'), '' FROM generate_series(0, 15) AS shard;
INSERT INTO cursor (consumer, shard, seq)
SELECT consumer, shard, 0 FROM unnest(ARRAY['relay', 'entry']) AS consumer, generate_series(0, 15) AS shard;

GRANT SELECT, INSERT ON log TO scrip_ledger;
GRANT SELECT, UPDATE ON cursor TO scrip_ledger;
GRANT SELECT, INSERT ON entry TO scrip_ledger;
