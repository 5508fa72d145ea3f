-- How much of each limit is used. A row that is full again says no more than no row, and is removed; after a crash of
-- the database the table is empty, and every account has its burst again.
CREATE UNLOGGED TABLE rate (
    account_id text   NOT NULL,
    tool       text   NOT NULL,
    full_at_ns bigint NOT NULL,
    CONSTRAINT one_row_an_account_and_tool PRIMARY KEY (account_id, tool)
) WITH (fillfactor = 50);
COMMENT ON COLUMN rate.tool IS 'Empty: the limit of the account over all tools';
COMMENT ON COLUMN rate.full_at_ns IS 'When all of the burst can be had again, nanoseconds since 1970';

-- An execution counts once, however often it is driven.
ALTER TABLE idempotency ADD COLUMN counted boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN idempotency.counted IS 'Whether its job was counted against the limits that apply to it';

GRANT SELECT, INSERT, UPDATE, DELETE ON rate TO scrip_gateway;
