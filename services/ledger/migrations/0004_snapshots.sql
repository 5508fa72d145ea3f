-- What a shard's memory held after a commit. Derived from the log: all of it may be deleted at any time.
CREATE TABLE snapshot (
    shard         int         NOT NULL,
    seq           bigint      NOT NULL,
    fold_version  int         NOT NULL,
    at            timestamptz NOT NULL,
    hash          bytea       NOT NULL,
    next_position bigint      NOT NULL,
    part_digests  bytea[]     NOT NULL,
    made_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (shard, seq, fold_version)
);
COMMENT ON TABLE snapshot IS 'Snapshots of shards: seq, at and hash are those of the last commit that was folded';
COMMENT ON COLUMN snapshot.fold_version IS 'Which program folds to this state: another one must not load it';
COMMENT ON COLUMN snapshot.part_digests IS 'SHA-256 of each part, in their order';

-- Small enough to be read and loaded one by one beside other work, whatever a shard holds.
CREATE TABLE snapshot_part (
    shard        int    NOT NULL,
    seq          bigint NOT NULL,
    fold_version int    NOT NULL,
    number       int    NOT NULL,
    body         bytea  NOT NULL,
    PRIMARY KEY (shard, seq, fold_version, number),
    -- Parts are written first, while their digests are taken.
    CONSTRAINT part_of_a_snapshot FOREIGN KEY (shard, seq, fold_version) REFERENCES snapshot
        ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED
);
ALTER TABLE snapshot_part ALTER COLUMN body SET STORAGE EXTERNAL;
COMMENT ON COLUMN snapshot_part.body IS 'A serialized scrip.ledger.v1.SnapshotPart';

GRANT SELECT, INSERT, DELETE ON snapshot TO scrip_ledger;
GRANT SELECT, INSERT ON snapshot_part TO scrip_ledger;
