-- A price is kept as a manifest has it: it may have tiers, rates for several kinds of units, and variants.

ALTER TABLE price ADD COLUMN form jsonb;
UPDATE price SET form = jsonb_build_object(
    'base', trim_scale(base_micros * 0.000001)::text,
    'per_unit', trim_scale(per_unit_micros * 0.000001)::text,
    'unit', unit,
    'minimum', trim_scale(minimum_micros * 0.000001)::text,
    'charging', charging);
ALTER TABLE price
    ALTER COLUMN form SET NOT NULL,
    DROP COLUMN base_micros,
    DROP COLUMN per_unit_micros,
    DROP COLUMN unit,
    DROP COLUMN minimum_micros,
    DROP COLUMN charging;
COMMENT ON TABLE price IS 'Prices that came into force; each holds until the next one of its tool';
COMMENT ON COLUMN price.form IS 'As a manifest would have it, credits as decimal text';
