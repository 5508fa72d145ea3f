-- Reserves (4), extensions (5) and captures (6) are nearly all of an account's entries: whoever looks for those finds
-- them soon. All others (grants, refunds, transfers, refusals, what was released or expired) are found by this index.
CREATE INDEX entry_of_rare_kind ON entry (account_id, position) WHERE kind NOT IN (4, 5, 6);
