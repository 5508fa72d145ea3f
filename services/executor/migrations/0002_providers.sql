-- What a provider said of its call, for whoever compares its bill with ours.
ALTER TABLE job
    ADD COLUMN provider_request_id text NOT NULL DEFAULT '',
    ADD COLUMN provider_status     int  NOT NULL DEFAULT 0;
COMMENT ON COLUMN job.provider_status IS 'HTTP status of the provider''s last answer; 0: none was called';
