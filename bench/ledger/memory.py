"""`ledger.memory.*`: bytes of resident memory (RSS) that one more of a thing takes, each in a fresh process.

Run: python -m bench.ledger.memory WHAT N. It prints the bytes of each of N of them, added after a tenth as many.
"""

import asyncio
import gc
import sys
from collections.abc import Callable, Iterable

import psutil  # type: ignore[import-untyped]
from scrip.ledger.v1 import events_pb2 as pb

from bench.ledger.commands import DAY, new_id
from bench.ledger.ground import Ground
from bench.ledger.size import Size
from bench.report import line, progress
from services.ledger.application.shard import Shard
from services.ledger.domain.request_ids import RequestIds, key_of, place_of
from services.runtime import clock

ANSWER_SECONDS = 120
# Events of one commit.
BATCH = 1_000
# That reservations are spread over.
ACCOUNTS = 1_000
Add = Callable[[int, int], object]


async def memory(_ground: Ground, size: Size) -> None:
    """Bytes of an account, a reservation and a request id, against the same facts as plain tuples, and as a dict."""
    for what, count in (
        ("account", size.memory_objects),
        ("grants5", size.memory_objects),
        ("reservation", size.memory_objects),
        ("request_id", size.memory_ids),
    ):
        progress(f"  {count} of {what}")
        value, floor = await asyncio.gather(_measured(what, count), _measured(f"{what}.floor", count))
        line(f"ledger.memory.{what}", value, "bytes", floor, count)


async def _measured(what: str, count: int) -> float:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.ledger.memory", what, str(count)), stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            said, _ = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        raise AssertionError(f"{what} ended with status {process.returncode}")
    return float(said)


def _accounts(grants: int) -> Add:
    """Folded from events without request ids, which are measured by themselves."""
    shard = Shard(0)

    def add(first: int, last: int) -> Shard:
        at = clock.now_us()
        for start in range(first, last, BATCH):
            shard.apply(_opened(range(start, min(start + BATCH, last)), grants, at), 1, at)
        return shard

    return add


def _opened(numbers: Iterable[int], grants: int, at: int) -> list[pb.Event]:
    events = []
    for number in numbers:
        events.append(pb.Event(kind=pb.EVENT_KIND_ACCOUNT_OPENED, account_id=_account_id(number)))
        events += [_granted(_account_id(number), 1 + grant, at) for grant in range(grants)]
    return events


def _granted(account_id: str, number: int, at: int) -> pb.Event:
    """An account's first grant was bought and does not lapse; the others are a plan's, and do."""
    return pb.Event(
        kind=pb.EVENT_KIND_CREDITS_GRANTED,
        account_id=account_id,
        grant_id=_grant_id(),
        grant_number=number,
        amount_micros=1_000_000 + number,
        source=pb.GRANT_SOURCE_PURCHASE if number == 1 else pb.GRANT_SOURCE_PLAN,
        priority=100,
        effective_at=at,
        expires_at=0 if number == 1 else at + number * DAY,
    )


def _reservations() -> Add:
    """Open ones on a thousand accounts."""
    shard = Shard(0)
    shard.apply(_opened(range(ACCOUNTS), 1, clock.now_us()), 1, clock.now_us())

    def add(first: int, last: int) -> Shard:
        at = clock.now_us()
        for start in range(first, last, BATCH):
            numbers = range(start, min(start + BATCH, last))
            shard.apply([_reserved(_account_id(number % ACCOUNTS), at) for number in numbers], 1, at)
        return shard

    return add


def _reserved(account_id: str, at: int) -> pb.Event:
    return pb.Event(
        kind=pb.EVENT_KIND_CREDITS_RESERVED,
        account_id=account_id,
        reservation_id=new_id(),
        amount_micros=1,
        expires_at=at + DAY,
        allocation_grants=(1,),
        allocation_amounts_micros=(1,),
        remember_until=at + DAY,
    )


def _request_ids() -> Add:
    ids = RequestIds()

    def add(first: int, last: int) -> RequestIds:
        at = clock.now_us()
        for start in range(first, last, BATCH):
            ids.add(
                (
                    (key_of("acc", new_id()), _fingerprint(number), place_of(number, 1, False), at + DAY)
                    for number in range(start, min(start + BATCH, last))
                ),
                at,
            )
        return ids

    return add


def _tuples(grants: int) -> Add:
    """What an account is, as a dict of tuples of its numbers."""
    kept: dict[str, object] = {}

    def add(first: int, last: int) -> object:
        at = clock.now_us()
        for number in range(first, last):
            made = [(_grant_id(), 1_000_000 + n, 0, 1_000_000 + n, 100, at, at + n * DAY) for n in range(grants)]
            kept[_account_id(number)] = (at + number, 1, 1_000_000 + number, 1_000_000 + number, 0, 0, 0, 0, *made)
        return kept

    return add


def _reservation_tuples() -> Add:
    kept: dict[str, object] = {}

    def add(first: int, last: int) -> object:
        at = clock.now_us()
        for number in range(first, last):
            kept[new_id()] = (_account_id(number % ACCOUNTS), 1, 1, at, at + number + DAY, at + DAY, 1, 1)
        return kept

    return add


def _dict_of_ids() -> Add:
    kept: dict[str, object] = {}

    def add(first: int, last: int) -> object:
        for number in range(first, last):
            kept[new_id()] = (_fingerprint(number), place_of(number, 1, False))
        return kept

    return add


def _account_id(number: int) -> str:
    """As long as those the ledger gives."""
    return f"acc-{number:026d}"


def _grant_id() -> str:
    return f"grant_{new_id()[:26]}"


def _fingerprint(number: int) -> int:
    """64 bits that look like a hash."""
    return number * 0x9E3779B97F4A7C15 % (1 << 64)


_ADDS: dict[str, Callable[[], Add]] = {
    "account": lambda: _accounts(1),
    "account.floor": lambda: _tuples(1),
    "grants5": lambda: _accounts(5),
    "grants5.floor": lambda: _tuples(5),
    "reservation": _reservations,
    "reservation.floor": _reservation_tuples,
    "request_id": _request_ids,
    "request_id.floor": _dict_of_ids,
}


def main(what: str, count: int) -> None:
    """Prints the mean over ten sizes: what doubles when it is full is measured full and empty."""
    add = _ADDS[what]()
    step = max(count // 10, 1)
    kept = [add(0, step)]
    gc.collect()
    before = psutil.Process().memory_info().rss
    means = []
    for number in range(1, 11):
        kept.append(add(number * step, (number + 1) * step))
        gc.collect()
        means.append((psutil.Process().memory_info().rss - before) / (number * step))
    print(sum(means[4:]) / len(means[4:]))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
