-- Who may call. A key is stored as the SHA-256 of its text.
CREATE TABLE api_key (
    key_id text PRIMARY KEY,
    digest text NOT NULL,
    role text NOT NULL,
    account_id text,
    name text NOT NULL,
    request_id text,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT a_key_is_known_by_its_digest UNIQUE (digest),
    CONSTRAINT a_request_makes_one_key UNIQUE (account_id, request_id),
    CONSTRAINT role_is_user_admin_or_analyst CHECK (role IN ('user', 'admin', 'analyst')),
    CONSTRAINT exactly_user_keys_have_an_account CHECK ((role = 'user') = (account_id IS NOT NULL)),
    CONSTRAINT digest_is_sha256_hex CHECK (digest ~ '^[0-9a-f]{64}$')
);
CREATE INDEX api_key_newest_first ON api_key (account_id, created_at DESC, key_id DESC);

-- Accounts that were opened through the gateway; what they hold is the ledger's to say.
CREATE TABLE account (
    account_id text PRIMARY KEY,
    created_at timestamptz NOT NULL
);
CREATE INDEX account_newest_first ON account (created_at DESC, account_id DESC);

-- What an Idempotency-Key leads to: one job and one quote, whichever gateway drives it. Kept for a day.
CREATE TABLE idempotency (
    account_id text NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    job_id text NOT NULL,
    quote bytea NOT NULL,           -- scrip.catalog.v1.Quote
    driver text NOT NULL,           -- who drives it now, a new id each time
    driver_until timestamptz NOT NULL, -- after it anybody may drive
    refusal jsonb,                  -- the answer, where it is a stored refusal (402)
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, key),
    CONSTRAINT key_is_1_to_128_characters CHECK (length(key) BETWEEN 1 AND 128)
);
CREATE INDEX idempotency_by_expiry ON idempotency (expires_at);

GRANT SELECT, INSERT ON api_key TO scrip_gateway;
GRANT SELECT, INSERT ON account TO scrip_gateway;
GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency TO scrip_gateway;
