-- Prices of operators in the place of those of manifests, categories, and answers that commands gave.

SET CONSTRAINTS ALL IMMEDIATE;

ALTER TABLE price ADD COLUMN origin text NOT NULL DEFAULT 'manifest'
    CONSTRAINT price_is_of_manifest_or_operator CHECK (origin IN ('manifest', 'operator'));
ALTER TABLE price ALTER COLUMN origin DROP DEFAULT;
COMMENT ON TABLE price IS 'Prices that came into force, in microcredits; each holds until the next one of its tool';

ALTER TABLE tool
    ADD COLUMN manifest_price  jsonb,
    ADD COLUMN operator_price  jsonb,
    ADD COLUMN scheduled_price jsonb,
    ADD COLUMN scheduled_at    timestamptz,
    ADD CONSTRAINT scheduled_price_has_its_time CHECK ((scheduled_price IS NULL) = (scheduled_at IS NULL));
UPDATE tool SET manifest_price = jsonb_build_object(
    'base', trim_scale(p.base_micros * 0.000001)::text,
    'per_unit', trim_scale(p.per_unit_micros * 0.000001)::text,
    'unit', p.unit,
    'minimum', trim_scale(p.minimum_micros * 0.000001)::text,
    'charging', p.charging)
    FROM price p WHERE p.slug = tool.slug AND p.price_version = tool.price_version;
ALTER TABLE tool ALTER COLUMN manifest_price SET NOT NULL;
COMMENT ON COLUMN tool.manifest_price IS 'The price as its manifest has it; in force unless an operator''s is';
COMMENT ON COLUMN tool.operator_price IS 'The price that an operator put in its place, as a manifest would have it';
COMMENT ON COLUMN tool.scheduled_price IS 'The operator''s price from scheduled_at on';
COMMENT ON COLUMN tool.shipped_digest IS
    'SHA-256 of the manifest the product last shipped, so that a restart brings nothing twice; empty: it never did';
CREATE INDEX tool_by_scheduled_price ON tool (scheduled_at) WHERE scheduled_at IS NOT NULL;

CREATE TABLE category (
    slug           text        NOT NULL,
    name           text        NOT NULL,
    icon           text        NOT NULL,
    description    text        NOT NULL,
    sort_order     int         NOT NULL CONSTRAINT sort_order_is_not_negative CHECK (sort_order >= 0),
    shipped_digest text        NOT NULL DEFAULT '',
    deleted_at     timestamptz,
    CONSTRAINT one_category_a_slug PRIMARY KEY (slug),
    CONSTRAINT slug_is_lower_case_letters_digits_hyphens CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$')
);
COMMENT ON COLUMN category.deleted_at IS 'An operator took it away; a restart does not bring it back';
COMMENT ON COLUMN category.shipped_digest IS 'SHA-256 of the category the product last shipped; empty: it never did';

ALTER TABLE command
    ADD COLUMN fingerprint text  NOT NULL DEFAULT '',
    ADD COLUMN answer      jsonb NOT NULL DEFAULT '{}';
COMMENT ON COLUMN command.fingerprint IS 'SHA-256 of what was asked for beside kind and slug; empty: nothing';

GRANT UPDATE (manifest_price, operator_price, scheduled_price, scheduled_at) ON tool TO scrip_catalog;
GRANT SELECT, INSERT ON category TO scrip_catalog;
GRANT UPDATE (name, icon, description, sort_order, shipped_digest, deleted_at) ON category TO scrip_catalog;
