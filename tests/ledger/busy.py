"""A ledger in which everything has happened: what snapshots and checks are tried on."""

from typing import Any

from services.ledger.application.ledger import Ledger
from services.ledger.application.transfers import Transfers
from services.ledger.domain import commands as cmd
from services.ledger.store import entries
from services.runtime import clock, postgres
from services.runtime.postgres import Pool
from tests.harness.databases import Database
from tests.harness.waiting import eventually
from tests.ledger import ledgers
from tests.ledger.ledgers import capture, done, grant, open_account, release, reserve, send

ACCOUNTS = 24
HOUR = 3600 * clock.MICROS_PER_SECOND
SOON = clock.MICROS_PER_SECOND // 2


def signed(make: Any, account_id: str, **fields: Any) -> cmd.Command:
    """A command with a request id of its own."""
    return ledgers._signed(make, account_id, **fields)


async def make_busy(ledger: Ledger, prefix: str = "a", accounts: int = ACCOUNTS) -> None:
    """Every kind of event that a command leads to, over accounts on several shards."""
    names = [f"{prefix}{number}" for number in range(accounts)]
    await ledger.execute(
        [open_account(name, credit_limit=500 if number % 3 == 0 else 0) for number, name in enumerate(names)]
    )
    for name in names:
        await ledger.execute(
            [
                grant(name, 100),
                grant(name, 70, expires_in=HOUR),
                grant(name, 30, effective_in=HOUR, expires_in=2 * HOUR),
                reserve(name, "spent", 150),
                capture(name, "spent", 20, final=False),
                capture(name, "spent", 120),
                reserve(name, "partly", 20),
                capture(name, "partly", 7, final=False),
                reserve(name, "open", 11),
                reserve(name, "released", 5),
                release(name, "released"),
                reserve(name, "too-much", 100_000),
                signed(cmd.ExtendReservation, name, reservation_id="open", ttl=48 * HOUR),
                signed(cmd.AdjustBalance, name, amount=3, reason="test"),
                # Lapses, where nothing of what follows draws on it before.
                grant(name, 6, expires_in=SOON),
            ]
        )
    for name in names[::2]:
        await done(
            ledger,
            signed(
                cmd.RefundCapture, name, reservation_id="spent", amount=40, grant_id=f"refund-{name}", reason="test"
            ),
        )
    for name in names[::3]:
        # Beyond what is available: on credit.
        await done(ledger, reserve(name, "on-credit", 200))
        await done(ledger, capture(name, "on-credit", 150, final=False))
    for name in names[1::3]:
        void = grant(name, 40)
        await done(ledger, void)
        await done(ledger, signed(cmd.VoidGrant, name, grant_id=void.grant_id, reason="test"))  # type: ignore[union-attr]
    transfers = Transfers(ledger)
    for number, name in enumerate(names[1::3]):
        await transfers.transfer(send(name, names[(number * 7 + 2) % len(names)], f"t-{name}", 4))
    # One that nobody ends.
    await done(ledger, send(names[1], names[2], f"stuck-{prefix}", 1))
    await done(ledger, open_account(f"{prefix}-closed"))
    await done(ledger, grant(f"{prefix}-closed", 9))
    await done(ledger, ledgers.close(f"{prefix}-closed"))

    async def all_has_lapsed() -> bool:
        soon = clock.now_us() + HOUR // 2
        shards = [ledgers.place_of(ledger, name).shard for name in names]
        # Nothing more will be appended unless somebody asks for it.
        return not any(shard.has_events or (shard.next_deadline or soon) < soon for shard in shards)

    await eventually(all_has_lapsed, 10)
    await ledger.balance(names[-1])


async def project_all(database: Database) -> None:
    """Writes the entries of all that was committed."""
    async with postgres.open_pool(database.dsn, "test") as pool:
        await projected(pool)


async def projected(pool: Pool) -> None:
    """The same over a pool."""
    while await entries.project(pool):
        pass
