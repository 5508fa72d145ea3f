-- Roles and databases of Scrip in a PostgreSQL (17 or newer) that is given. Run it once, as a superuser:
--
--     psql -f deploy/roles.sql postgres
--
-- then set passwords (\password scrip_ledger, …) and bring the databases to this version:
--
--     scrip migrate --dsn ledger=… --dsn catalog=… --dsn executor=… --dsn gateway=… --dsn analytics=… --nats-url …
--
-- where each DSN is of the database's owner. Services connect as the role named after them, which owns nothing.
CREATE ROLE scrip_gateway LOGIN;
CREATE ROLE scrip_catalog LOGIN;
CREATE ROLE scrip_ledger LOGIN;
CREATE ROLE scrip_executor LOGIN;
CREATE ROLE scrip_analytics LOGIN;
CREATE ROLE analyst LOGIN;

CREATE DATABASE scrip_gateway;
CREATE DATABASE scrip_catalog;
CREATE DATABASE scrip_ledger;
CREATE DATABASE scrip_executor;
CREATE DATABASE scrip_analytics;

REVOKE CONNECT, TEMPORARY ON DATABASE scrip_gateway, scrip_catalog, scrip_ledger, scrip_executor, scrip_analytics FROM PUBLIC;
GRANT CONNECT ON DATABASE scrip_gateway TO scrip_gateway;
GRANT CONNECT ON DATABASE scrip_catalog TO scrip_catalog;
GRANT CONNECT ON DATABASE scrip_ledger TO scrip_ledger;
GRANT CONNECT ON DATABASE scrip_executor TO scrip_executor;
GRANT CONNECT ON DATABASE scrip_analytics TO scrip_analytics, analyst;
