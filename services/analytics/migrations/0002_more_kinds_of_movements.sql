-- What the views say of refunds, voids, adjustments, transfers and grants made ahead of their time.

COMMENT ON VIEW analytics.credit_movements IS
    'One row per ledger event that moves credits of its account. Amounts are positive; kind tells the direction. Events '
    'that move nothing (an account opened or frozen, a grant made for later, a reservation extended, a request refused, a '
    'transfer completed) have no row.';
COMMENT ON COLUMN analytics.credit_movements.kind IS
    'granted: came in at once, by grant, adjustment or transfer; available rises. grant_effective: a grant made for later '
    'came in. reserved: available to reserved. captured: reserved credits were spent. released, reservation_expired: '
    'reserved to available. refunded: spent credits came back. grant_expired: available credits lapsed. grant_voided, '
    'reduced, closed: available credits were withdrawn, with a grant, by an adjustment, with the account. transfer_sent: '
    'left for another account. transfer_returned: came back, as the other account could not take them.';
COMMENT ON COLUMN analytics.credit_movements.amount IS
    'Credits moved, never negative. A final capture also returns what it did not spend, and a capture beyond its '
    'reservation takes the rest from available: amount is what was spent, and those parts show in available_after and '
    'reserved_after of the same row, not in rows of their own.';
COMMENT ON COLUMN analytics.credit_movements.available_after IS
    'Credits the account could reserve right after the event, its credit limit aside: below zero, it is on credit.';
COMMENT ON COLUMN analytics.credit_movements.grant_id IS
    'The grant that came in, lapsed or was withdrawn; of a refund or a transfer that came back the new grant, where one '
    'that the credits came from was dead. Else null.';
COMMENT ON COLUMN analytics.credit_movements.tool IS
    'Slug of the tool behind the movement, of a refund that of the capture; null where there is none.';
COMMENT ON VIEW analytics.tool_usage_daily IS
    'One row per tool and UTC day on which a job of it ended or credits were captured or refunded for it.';
COMMENT ON COLUMN analytics.tool_usage_daily.refunded_credits IS
    'Credits given back on this day for captures of the tool on this day or before; not subtracted from total_credits.';
COMMENT ON TABLE analytics.tool_credits IS
    'Private: microcredits captured for a tool and refunded on a UTC day, by ledger shard.';
