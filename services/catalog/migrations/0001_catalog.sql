-- Versions are added and never changed, by privilege. What changes is which of them is in force: the row of `tool`.
CREATE TABLE tool (
    slug           text        NOT NULL,
    enabled        boolean     NOT NULL DEFAULT true,
    version        int         NOT NULL,
    price_version  int         NOT NULL,
    shipped_digest text        NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT one_tool_a_slug PRIMARY KEY (slug),
    CONSTRAINT slug_is_lower_case_letters_digits_hyphens CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$')
);
COMMENT ON TABLE tool IS 'Each tool: the operator''s switch, and the version and the price now in force';
COMMENT ON COLUMN tool.shipped_digest IS 'SHA-256 of the manifest the product last shipped, so that a restart brings nothing twice';

CREATE TABLE tool_version (
    slug       text        NOT NULL REFERENCES tool,
    version    int         NOT NULL CONSTRAINT versions_count_from_one CHECK (version >= 1),
    digest     text        NOT NULL,
    content    text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT one_content_a_version PRIMARY KEY (slug, version)
);
COMMENT ON COLUMN tool_version.content IS 'The manifest without its price, JSON in the author''s order; digest is the SHA-256 of its RFC 8785 form';

-- Microcredits.
CREATE TABLE price (
    slug            text        NOT NULL REFERENCES tool,
    price_version   int         NOT NULL CONSTRAINT price_versions_count_from_one CHECK (price_version >= 1),
    base_micros     bigint      NOT NULL CONSTRAINT base_is_not_negative CHECK (base_micros >= 0),
    per_unit_micros bigint      NOT NULL CONSTRAINT per_unit_is_not_negative CHECK (per_unit_micros >= 0),
    unit            text        NOT NULL,
    minimum_micros  bigint      NOT NULL CONSTRAINT minimum_is_not_negative CHECK (minimum_micros >= 0),
    charging        jsonb       NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT one_price_a_version PRIMARY KEY (slug, price_version)
);

ALTER TABLE tool
    ADD CONSTRAINT version_in_force_exists FOREIGN KEY (slug, version)
        REFERENCES tool_version (slug, version) DEFERRABLE INITIALLY DEFERRED,
    ADD CONSTRAINT price_in_force_exists FOREIGN KEY (slug, price_version)
        REFERENCES price (slug, price_version) DEFERRABLE INITIALLY DEFERRED;

-- Commands that were done, so that a late retry does not do one again.
CREATE TABLE command (
    request_id  text        NOT NULL,
    kind        text        NOT NULL,
    slug        text        NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT one_command_a_request_id PRIMARY KEY (request_id)
);
CREATE INDEX command_by_time ON command (recorded_at);

-- What executors last said. Worth nothing after 30 seconds, so it need not survive a crash.
CREATE UNLOGGED TABLE availability (
    executor_id text        NOT NULL,
    slug        text        NOT NULL,
    version     int         NOT NULL,
    reason      text        NOT NULL,
    reported_at timestamptz NOT NULL,
    CONSTRAINT one_word_of_an_executor_a_version PRIMARY KEY (executor_id, slug, version)
);
CREATE INDEX availability_by_time ON availability (reported_at);
COMMENT ON COLUMN availability.reason IS 'Why the executor cannot run it; empty: it can';

-- The event log, as services.runtime.event_log describes it. Its head is the catalog's stamp and its lock: every change
-- of a tool locks that row first and moves it on.
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
COMMENT ON TABLE log IS 'Commits of the catalog; body is a scrip.catalog.v1.EventBatch, hash the SHA-256 chain';
CREATE TABLE head (
    shard         int    PRIMARY KEY,
    seq           bigint NOT NULL,
    next_position bigint NOT NULL,
    hash          bytea  NOT NULL
);
CREATE TABLE cursor (
    consumer text   NOT NULL,
    shard    int    NOT NULL,
    seq      bigint NOT NULL,
    PRIMARY KEY (consumer, shard)
);
INSERT INTO log (shard, seq, first_position, n, at, writer, hash, body)
VALUES (0, 0, 0, 0, 'epoch', 'genesis', decode(repeat('00', 32), 'hex'), '');
INSERT INTO head (shard, seq, next_position, hash) VALUES (0, 0, 1, decode(repeat('00', 32), 'hex'));
INSERT INTO cursor (consumer, shard, seq) VALUES ('relay', 0, 0);

GRANT SELECT, INSERT ON tool_version, price, log TO scrip_catalog;
GRANT SELECT, INSERT ON tool TO scrip_catalog;
GRANT UPDATE (enabled, version, price_version, shipped_digest) ON tool TO scrip_catalog;
GRANT SELECT, INSERT, DELETE ON command TO scrip_catalog;
GRANT SELECT, INSERT, UPDATE, DELETE ON availability TO scrip_catalog;
GRANT SELECT, UPDATE ON head, cursor TO scrip_catalog;
