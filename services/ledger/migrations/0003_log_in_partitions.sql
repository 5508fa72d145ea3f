-- The log in partitions by number. A commit's body is kept out of line: that takes one OID of the 4.3 billion of its
-- table, and a table holds 32 TB. With sixteen shards and bodies of at most 512 KiB, a partition of four million
-- numbers takes 64 million OIDs and reaches neither limit, whatever is written.
--
-- The table that was becomes the first partition; should it hold more than one partition does, a wider one.
ALTER TABLE log RENAME TO log_0;
ALTER TABLE log_0 RENAME CONSTRAINT one_commit_a_sequence_number TO log_0_pkey;

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
) PARTITION BY RANGE (seq);
ALTER TABLE log ALTER COLUMN body SET STORAGE EXTERNAL;
COMMENT ON TABLE log IS 'Commits of the ledger; body is a scrip.ledger.v1.EventBatch, hash the SHA-256 chain';

DO $$
DECLARE
    width CONSTANT bigint := 4000000;
    until bigint;
BEGIN
    SELECT (max(seq) / width + 1) * width INTO until FROM log_0;
    EXECUTE format('ALTER TABLE log ATTACH PARTITION log_0 FOR VALUES FROM (0) TO (%s)', until);
END $$;

-- Append-only: through the parent alone, and neither changed nor taken away.
REVOKE ALL ON log_0 FROM scrip_ledger;
GRANT SELECT, INSERT ON log TO scrip_ledger;

-- Partitions follow each other without a gap; after it there is room for `seq` and the four million after it. A call
-- makes four at most. A partition is made apart and then attached, which holds up neither readers nor writers.
CREATE FUNCTION ensure_log_partitions(seq bigint) RETURNS int
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    width CONSTANT bigint := 4000000;
    made int := 0;
    until bigint;
BEGIN
    -- Whoever calls at the same time waits, and then finds them there.
    PERFORM pg_advisory_xact_lock(7272749);
    SELECT max((regexp_match(pg_get_expr(c.relpartbound, c.oid), $re$TO \('?(\d+)'?\)$re$))[1]::bigint) INTO until
      FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'log'::regclass;
    WHILE until <= seq + width AND made < 4 LOOP
        EXECUTE format('CREATE TABLE log_%s (LIKE log INCLUDING ALL)', until);
        EXECUTE format('ALTER TABLE log ATTACH PARTITION log_%s FOR VALUES FROM (%s) TO (%s)', until, until, until + width);
        until := until + width;
        made := made + 1;
    END LOOP;
    RETURN made;
END $$;
REVOKE EXECUTE ON FUNCTION ensure_log_partitions(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ensure_log_partitions(bigint) TO scrip_ledger;
SELECT ensure_log_partitions(max(seq)) FROM log;
