-- A file of an input may lie in the object store; then the row says where and what, and has no content.
ALTER TABLE job_file
    ADD COLUMN file_id    text   NOT NULL DEFAULT '',
    ADD COLUMN size_bytes bigint NOT NULL DEFAULT 0,
    ADD COLUMN digest     text   NOT NULL DEFAULT '',
    ADD CONSTRAINT a_stored_file_has_a_digest_and_no_content
        CHECK (file_id = '' OR (digest ~ '^[0-9a-f]{64}$' AND size_bytes >= 0 AND octet_length(data) = 0));
COMMENT ON COLUMN job_file.file_id IS 'The object that is the file; empty: the content is here';
