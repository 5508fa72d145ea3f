-- What a provider said when it began work that takes its time: with it any executor can go on looking, so that a worker
-- that dies or stops leaves nothing unknown.
CREATE TABLE work (
    job_id              text        NOT NULL REFERENCES job,
    fence               bigint      NOT NULL,
    answer_json         bytea       NOT NULL,
    provider_request_id text        NOT NULL,
    begun_at            timestamptz NOT NULL,
    until               timestamptz NOT NULL,
    CONSTRAINT one_work_a_job PRIMARY KEY (job_id),
    CONSTRAINT work_of_an_attempt FOREIGN KEY (job_id, fence) REFERENCES attempt,
    CONSTRAINT work_has_time_left_when_it_begins CHECK (until > begun_at),
    CONSTRAINT answer_is_small CHECK (length(answer_json) BETWEEN 1 AND 65536)
);
COMMENT ON COLUMN work.fence IS 'Of the attempt that asked for it; later ones go on with it';
COMMENT ON COLUMN work.answer_json IS 'Status, headers and body that the provider answered, without our secret';
COMMENT ON COLUMN work.until IS 'When the time of the call is over, whoever looks';

GRANT SELECT, INSERT, UPDATE ON work TO scrip_executor;
