-- What analysts query: views in schema analytics, over private tables of the same schema.
--
-- Every row of a private table belongs to one shard of one source and is written only by whoever holds that shard's row
-- of analytics.source_shard locked, in the transaction that moves its cursor. So each event counts exactly once, two
-- replicas cannot apply twice, and shards never wait for each other's rows.

CREATE SCHEMA analytics;

COMMENT ON SCHEMA analytics IS
    'Projections of the events of ledger, catalog and executor. Analysts read the views; credits are numeric, times UTC.';

-- How far each log is applied.

CREATE TABLE analytics.source_shard (
    source text NOT NULL,
    shard integer NOT NULL,
    seq bigint NOT NULL DEFAULT 0,
    hash bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex'),
    position bigint NOT NULL DEFAULT 0,
    recorded_at timestamptz,
    confirmed_at timestamptz,
    first_seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    stopped_reason text,
    PRIMARY KEY (source, shard),
    CONSTRAINT source_is_known CHECK (source IN ('ledger', 'catalog', 'executor')),
    CONSTRAINT hash_is_a_sha256 CHECK (octet_length(hash) = 32),
    CONSTRAINT seq_is_not_negative CHECK (seq >= 0)
);

COMMENT ON TABLE analytics.source_shard IS
    'Private: the last commit applied of each shard of each log, and when the shard was last known to be complete.';

CREATE TABLE analytics.projection (
    name text NOT NULL,
    source text NOT NULL,
    PRIMARY KEY (name, source)
);

COMMENT ON TABLE analytics.projection IS 'Private: which logs each view is made from.';

INSERT INTO analytics.projection (name, source) VALUES
    ('credit_movements', 'ledger'),
    ('tool_usage_daily', 'ledger'),
    ('tool_usage_daily', 'executor');

-- Credits.

CREATE TABLE analytics.movement (
    shard integer NOT NULL,
    n bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    account_id text NOT NULL,
    kind text NOT NULL,
    amount_micros bigint NOT NULL,
    available_after_micros bigint NOT NULL,
    reserved_after_micros bigint NOT NULL,
    grant_id text,
    reservation_id text,
    tool text,
    tool_version integer,
    price_version integer,
    reference text,
    labels jsonb NOT NULL,
    trace_id text,
    PRIMARY KEY (shard, n),
    CONSTRAINT amount_is_not_negative CHECK (amount_micros >= 0),
    CONSTRAINT reserved_is_not_negative CHECK (reserved_after_micros >= 0)
);

CREATE INDEX movement_by_account ON analytics.movement (account_id, recorded_at);
CREATE INDEX movement_by_time ON analytics.movement USING brin (recorded_at);

COMMENT ON TABLE analytics.movement IS 'Private: the rows of credit_movements in microcredits; append-only.';

-- Tool usage, by shard so that appliers never meet on a row.

CREATE TABLE analytics.tool_credits (
    shard integer NOT NULL,
    tool text NOT NULL,
    day date NOT NULL,
    captured_micros bigint NOT NULL,
    refunded_micros bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (shard, tool, day),
    CONSTRAINT credits_are_not_negative CHECK (captured_micros >= 0 AND refunded_micros >= 0)
);

COMMENT ON TABLE analytics.tool_credits IS 'Private: microcredits captured for a tool on a UTC day, by ledger shard.';

CREATE TABLE analytics.tool_jobs (
    shard integer NOT NULL,
    tool text NOT NULL,
    day date NOT NULL,
    succeeded bigint NOT NULL,
    failed bigint NOT NULL,
    canceled bigint NOT NULL,
    indeterminate bigint NOT NULL,
    duration_ms bigint NOT NULL,
    PRIMARY KEY (shard, tool, day),
    CONSTRAINT counts_are_not_negative
        CHECK (succeeded >= 0 AND failed >= 0 AND canceled >= 0 AND indeterminate >= 0 AND duration_ms >= 0)
);

COMMENT ON TABLE analytics.tool_jobs IS
    'Private: jobs of a tool by ending and UTC day, by executor shard; duration_ms is summed over succeeded and failed.';

CREATE TABLE analytics.tool_durations (
    shard integer NOT NULL,
    tool text NOT NULL,
    day date NOT NULL,
    upper_ms bigint NOT NULL,
    jobs bigint NOT NULL,
    PRIMARY KEY (shard, tool, day, upper_ms),
    CONSTRAINT jobs_are_counted CHECK (jobs > 0)
);

COMMENT ON TABLE analytics.tool_durations IS
    'Private: histogram of durations, because percentiles do not add: jobs of at most upper_ms and more than the bound '
    'below it (four bounds an octave), by tool, UTC day and executor shard.';

CREATE TABLE analytics.indeterminate_job (
    job_id text PRIMARY KEY,
    shard integer NOT NULL,
    tool text NOT NULL,
    day date NOT NULL
);

COMMENT ON TABLE analytics.indeterminate_job IS
    'Private: jobs whose outcome is not known now, and where tool_jobs counts them until it is.';

-- The views.

CREATE VIEW analytics.credit_movements AS
SELECT
    shard || ':' || n AS position,
    recorded_at,
    account_id,
    kind,
    amount_micros * 0.000001 AS amount,
    available_after_micros * 0.000001 AS available_after,
    reserved_after_micros * 0.000001 AS reserved_after,
    grant_id,
    reservation_id,
    CASE WHEN starts_with(reservation_id, 'job_') THEN reservation_id END AS job_id,
    tool,
    tool_version,
    price_version,
    reference,
    labels,
    trace_id
FROM analytics.movement;

COMMENT ON VIEW analytics.credit_movements IS
    'One row per ledger event that moves credits. Amounts are positive; kind tells the direction. Events that move nothing '
    '(an account opened, a reservation extended, a request refused) have no row.';
COMMENT ON COLUMN analytics.credit_movements.position IS
    'Place of the event in the ledger''s log, shard:n; unique. Within a shard, n is the order of events.';
COMMENT ON COLUMN analytics.credit_movements.recorded_at IS 'When the ledger committed the event.';
COMMENT ON COLUMN analytics.credit_movements.account_id IS 'The account whose credits moved.';
COMMENT ON COLUMN analytics.credit_movements.kind IS
    'granted: came in, available rises. reserved: available to reserved. captured: reserved credits were spent. released, '
    'reservation_expired: reserved to available. grant_expired: available credits lapsed.';
COMMENT ON COLUMN analytics.credit_movements.amount IS
    'Credits moved, never negative. A final capture also returns what it did not spend: amount is what was spent, and the '
    'returned part shows in available_after and reserved_after of the same row, not in a row of its own.';
COMMENT ON COLUMN analytics.credit_movements.available_after IS
    'Credits the account could reserve right after the event.';
COMMENT ON COLUMN analytics.credit_movements.reserved_after IS
    'Credits held by the account''s open reservations right after the event.';
COMMENT ON COLUMN analytics.credit_movements.grant_id IS 'The grant that came in or lapsed; else null.';
COMMENT ON COLUMN analytics.credit_movements.reservation_id IS 'The reservation; null where there is none.';
COMMENT ON COLUMN analytics.credit_movements.job_id IS 'The job the reservation was made for; null where it was not for one.';
COMMENT ON COLUMN analytics.credit_movements.tool IS 'Slug of the tool behind the movement; null where there is none.';
COMMENT ON COLUMN analytics.credit_movements.tool_version IS 'Version of that tool.';
COMMENT ON COLUMN analytics.credit_movements.price_version IS 'Version of the price that was charged.';
COMMENT ON COLUMN analytics.credit_movements.reference IS 'The caller''s own reference, as given with the request.';
COMMENT ON COLUMN analytics.credit_movements.labels IS 'The caller''s labels, a JSON object of at most 8 pairs.';
COMMENT ON COLUMN analytics.credit_movements.trace_id IS 'W3C trace id of the request behind the movement, 32 hex digits.';

CREATE VIEW analytics.tool_usage_daily AS
WITH part AS (
    SELECT
        tool, day, succeeded, failed, canceled, indeterminate, duration_ms, 0::bigint AS captured_micros,
        0::bigint AS refunded_micros
    FROM analytics.tool_jobs
    UNION ALL
    SELECT tool, day, 0, 0, 0, 0, 0, captured_micros, refunded_micros
    FROM analytics.tool_credits
),
whole AS (
    SELECT
        tool,
        day,
        sum(succeeded)::bigint AS succeeded,
        sum(failed)::bigint AS failed,
        sum(canceled)::bigint AS canceled,
        sum(indeterminate)::bigint AS indeterminate,
        sum(duration_ms) AS duration_ms,
        sum(captured_micros) AS captured_micros,
        sum(refunded_micros) AS refunded_micros
    FROM part
    GROUP BY tool, day
)
SELECT
    tool,
    day,
    succeeded + failed + canceled + indeterminate AS total_jobs,
    succeeded AS successful_jobs,
    failed AS failed_jobs,
    canceled AS canceled_jobs,
    indeterminate AS indeterminate_jobs,
    captured_micros * 0.000001 AS total_credits,
    refunded_micros * 0.000001 AS refunded_credits,
    round(duration_ms / nullif(succeeded + failed, 0), 3) AS avg_duration_ms
FROM whole
WHERE succeeded + failed + canceled + indeterminate > 0 OR captured_micros > 0 OR refunded_micros > 0;

COMMENT ON VIEW analytics.tool_usage_daily IS
    'One row per tool and UTC day on which a job of it ended or credits were captured for it.';
COMMENT ON COLUMN analytics.tool_usage_daily.tool IS 'Slug of the tool.';
COMMENT ON COLUMN analytics.tool_usage_daily.day IS 'The day, in UTC.';
COMMENT ON COLUMN analytics.tool_usage_daily.total_jobs IS
    'Jobs that ended on this day: successful, failed, canceled and indeterminate ones together.';
COMMENT ON COLUMN analytics.tool_usage_daily.successful_jobs IS 'Jobs that gave their output on this day.';
COMMENT ON COLUMN analytics.tool_usage_daily.failed_jobs IS 'Jobs that failed on this day.';
COMMENT ON COLUMN analytics.tool_usage_daily.canceled_jobs IS 'Jobs that were cancelled on this day.';
COMMENT ON COLUMN analytics.tool_usage_daily.indeterminate_jobs IS
    'Jobs whose outcome became unknown on this day and is unknown still; once it is known, they count on the day it became '
    'known, under what it is, and here no longer.';
COMMENT ON COLUMN analytics.tool_usage_daily.total_credits IS
    'Credits captured for the tool on this day; a job that ended before midnight may be captured after it.';
COMMENT ON COLUMN analytics.tool_usage_daily.refunded_credits IS
    'Credits given back on this day for earlier captures of the tool; not subtracted from total_credits.';
COMMENT ON COLUMN analytics.tool_usage_daily.avg_duration_ms IS
    'Milliseconds from the start of the attempt that gave the outcome to the outcome, averaged over successful and failed '
    'jobs; null where there are none.';

CREATE VIEW analytics.freshness_by_source AS
SELECT
    p.name AS projection,
    s.source,
    s.shard,
    s.shard || ':' || s.position AS position,
    round(greatest(0, extract(epoch FROM clock_timestamp()
        - coalesce(greatest(s.confirmed_at, s.recorded_at), s.first_seen_at))), 3) AS lag_seconds,
    s.recorded_at,
    s.stopped_reason
FROM analytics.projection p
JOIN analytics.source_shard s USING (source);

COMMENT ON VIEW analytics.freshness_by_source IS
    'Private: what GetFreshness answers; freshness with the log, the last event''s time and why a shard stands still.';

CREATE VIEW analytics.freshness AS
SELECT projection, position, lag_seconds
FROM analytics.freshness_by_source;

COMMENT ON VIEW analytics.freshness IS
    'How far each projection is: one row per projection and shard of each log it is made from (tool_usage_daily is made '
    'from the ledger''s and the executor''s).';
COMMENT ON COLUMN analytics.freshness.projection IS 'Name of the view it is about.';
COMMENT ON COLUMN analytics.freshness.position IS 'shard:n of the last event the projection holds from that log.';
COMMENT ON COLUMN analytics.freshness.lag_seconds IS
    'Seconds since the projection was last known to hold everything in that log: at most a few while all is well (the '
    'owner is asked every 3 seconds), rising while the owner cannot be reached, a backlog is read or the shard is stopped.';

-- Who may do what. The roles exist before this runs.

GRANT USAGE ON SCHEMA analytics TO scrip_analytics, analyst;
GRANT SELECT, INSERT, UPDATE ON analytics.source_shard, analytics.tool_credits, analytics.tool_jobs,
    analytics.tool_durations TO scrip_analytics;
GRANT SELECT, INSERT, DELETE ON analytics.indeterminate_job TO scrip_analytics;
GRANT SELECT, INSERT ON analytics.movement TO scrip_analytics;
GRANT SELECT ON analytics.freshness_by_source TO scrip_analytics;
GRANT SELECT ON analytics.credit_movements, analytics.tool_usage_daily, analytics.freshness TO analyst;
