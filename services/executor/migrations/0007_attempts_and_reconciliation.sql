-- What each call of a tool came to, and what is known of its provider, for whoever compares its bill with ours.
ALTER TABLE attempt
    ADD COLUMN error_reason        text   NOT NULL DEFAULT '',
    ADD COLUMN provider            text   NOT NULL DEFAULT '',
    ADD COLUMN provider_request_id text   NOT NULL DEFAULT '',
    ADD COLUMN provider_status     int    NOT NULL DEFAULT 0,
    ADD COLUMN provider_latency_ms bigint NOT NULL DEFAULT 0,
    ADD COLUMN provider_usage      jsonb  NOT NULL DEFAULT '{}';
COMMENT ON COLUMN attempt.ending IS 'Why it ended, a stable word; empty: it is under way';
COMMENT ON COLUMN attempt.provider IS 'Who was called; empty: nobody, or that is not known';
COMMENT ON COLUMN attempt.provider_usage IS 'By unit: what the provider says was used';
