-- Files that accounts have uploaded. The row is there before the first byte of the content is, and goes after the last.
CREATE TABLE file (
    file_id    text        NOT NULL,
    account_id text        NOT NULL,
    media_type text        NOT NULL,
    name       text        NOT NULL,
    size_bytes bigint      NOT NULL DEFAULT 0,
    digest     text        NOT NULL DEFAULT '',
    state      text        NOT NULL DEFAULT 'UPLOADING',
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT one_row_a_file PRIMARY KEY (file_id),
    CONSTRAINT state_is_known CHECK (state IN ('UPLOADING', 'READY', 'DELETING')),
    CONSTRAINT size_not_negative CHECK (size_bytes >= 0),
    CONSTRAINT a_ready_file_has_a_digest CHECK (state <> 'READY' OR digest ~ '^[0-9a-f]{64}$')
);
COMMENT ON COLUMN file.digest IS 'SHA-256 of the content, hex';
COMMENT ON COLUMN file.expires_at IS 'From when anybody may delete it: an upload that did not end, a file that nobody needs';
CREATE INDEX file_by_expiry ON file (expires_at);
CREATE INDEX file_of_account ON file (account_id);

GRANT SELECT, INSERT, UPDATE, DELETE ON file TO scrip_gateway;
