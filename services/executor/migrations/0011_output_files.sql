-- Files of outputs that are too large for JSON. A row is written with its job's outcome and has the content, until that
-- has moved to the object store.
CREATE TABLE output_file (
    file_id    text        NOT NULL,
    job_id     text        NOT NULL REFERENCES job,
    account_id text        NOT NULL,
    pointer    text        NOT NULL,
    media_type text        NOT NULL,
    size_bytes bigint      NOT NULL,
    digest     text        NOT NULL,
    data       bytea,
    takes      int         NOT NULL DEFAULT 0,
    held_until timestamptz NOT NULL,
    state      text        NOT NULL DEFAULT 'WITH_JOB',
    kept_until timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT one_row_an_output_file PRIMARY KEY (file_id),
    CONSTRAINT output_file_state_is_known CHECK (state IN ('WITH_JOB', 'LEFT', 'DELETING')),
    CONSTRAINT digest_is_sha256 CHECK (digest ~ '^[0-9a-f]{64}$'),
    CONSTRAINT content_is_here_whole_or_was_taken
        CHECK (CASE WHEN data IS NULL THEN takes > 0 ELSE octet_length(data) = size_bytes END)
);
ALTER TABLE output_file ALTER COLUMN data SET STORAGE EXTERNAL;
COMMENT ON COLUMN output_file.pointer IS 'Where in the output it stands, a JSON pointer';
COMMENT ON COLUMN output_file.data IS 'The content; NULL: it is the object that the last take has made';
COMMENT ON COLUMN output_file.takes IS 'How often somebody began to move it; each take makes an object of its own';
COMMENT ON COLUMN output_file.held_until IS 'Until when whoever takes it may be at work on its object';
COMMENT ON COLUMN output_file.state IS
    'WITH_JOB: as long as the job has its output; LEFT: that is removed, it is kept for itself; DELETING: nobody finds it';
COMMENT ON COLUMN output_file.kept_until IS 'Not before is it deleted, however its job stands';

CREATE INDEX output_file_of_job ON output_file (job_id);
CREATE INDEX output_file_to_move ON output_file (held_until) WHERE data IS NOT NULL AND state <> 'DELETING';
CREATE INDEX output_file_to_delete ON output_file (kept_until) WHERE state <> 'WITH_JOB';

GRANT SELECT, INSERT, UPDATE, DELETE ON output_file TO scrip_executor;
