"""What time leads to, on accounts that nobody touches and in batches that are full."""

from services.ledger.application import batch as batches
from services.ledger.application.shard import IDLE_LAPSES_MAX
from services.ledger.domain import commands as cmd
from tests.ledger.domain.book import DAY, HOUR, SECOND, Book, events_of
from tests.ledger.ledgers import state


def test_an_account_that_nobody_touches_lapses_by_itself(book: Book) -> None:
    """The shard knows what is due first, wherever it is."""
    book.open("b")
    book.grant(10, lasts=2 * HOUR)
    book.grant(10, account_id="b", lasts=HOUR)
    assert book.shard.next_deadline == book.at + HOUR
    book.wait(HOUR)
    assert [event.account_id for event in book.last] == ["b"]
    assert book.shard.next_deadline == book.at + HOUR


def test_a_balance_counts_what_is_due_before_it_is_an_event(book: Book) -> None:
    """Reading appends nothing, and answers what an event would make of it."""
    book.limit(5)
    book.spend(5)
    book.grant(20, begins_in=HOUR, lasts=2 * HOUR)
    book.at += HOUR
    told = book.balance()
    assert (told.granted, told.available, told.expired) == (20, 15, 0)
    book.at += HOUR
    told = book.balance()
    assert (told.granted, told.available, told.expired) == (20, 0, 15)
    assert book.account().granted == 0
    book.wait(0)
    assert book.account().expired == 15


def test_time_never_goes_back(book: Book) -> None:
    """A batch of a process whose clock is behind is recorded at the time of the one before."""
    book.grant(10, lasts=HOUR)
    last = book.at
    book.at -= DAY
    book.grant(10)
    assert book.log.commits[-1].at == last
    assert book.last[0].effective_at == last


def test_a_shard_forgets_deadlines_that_no_longer_count(book: Book) -> None:
    """However often reservations come and go before a far expiry, it watches each account about once."""
    book.grant(1_000, lasts=365 * DAY)
    for turn in range(300):
        book.reserve(f"r{turn}", 1, ttl=SECOND)
        book.release(f"r{turn}")
        book.wait(2 * SECOND)
    assert len(book.shard._deadlines) <= 64 + 4


def test_what_is_due_elsewhere_leaves_room_for_commands(book: Book) -> None:
    """Accounts that no command touches lapse a thousand a batch at most, then the others; none is passed over."""
    count = IDLE_LAPSES_MAX + 200
    book.shard.begin(book.at)
    for number in range(count):
        book.shard.execute(book.command(cmd.OpenAccount, f"b{number}"))
    book.commit()
    book.shard.begin(book.at)
    for number in range(count):
        book.shard.execute(
            book.command(
                cmd.GrantCredits,
                f"b{number}",
                grant_id="g",
                amount=1,
                source=1,
                priority=1,
                effective_at=0,
                expires_at=book.at + HOUR,
            )
        )
    book.commit()
    commits = len(book.log.commits)
    book.wait(HOUR)
    while book.shard.next_deadline is not None:
        assert book.shard.next_deadline == book.at
        book.wait(0)
    lapses = [commit.n for commit in book.log.commits[commits:]]
    assert (sum(lapses), max(lapses) <= IDLE_LAPSES_MAX) == (count, True)
    assert {account.expired for name, account in book.shard.accounts.items() if name != "a"} == {1}


def test_a_command_waits_for_what_is_due_on_its_account(book: Book) -> None:
    """More lapses than a batch holds: its account is decided upon only when all of it is done."""
    count = batches.EVENTS_MAX + 500
    for first in range(0, count, 2_000):
        book.shard.begin(book.at)
        for number in range(first, min(first + 2_000, count)):
            book.shard.execute(book.command(cmd.ReserveCredits, reservation_id=f"r{number}", amount=0, ttl=HOUR))
        book.commit()
    book.at += HOUR
    command = book.command(cmd.OpenAccount)
    commits = len(book.log.commits)
    book.shard.begin(book.at)
    assert book.shard.execute(command) is None
    assert book.shard.is_full
    book.commit()
    assert book.log.commits[-1].n <= batches.EVENTS_MAX
    book.shard.begin(book.at)
    assert book.shard.execute(command) is not None
    book.commit()
    assert sum(len(events_of(commit)) for commit in book.log.commits[commits:]) == count
    assert state(book.replayed()) == state(book.shard)


def test_a_batch_stays_below_what_a_message_holds(book: Book) -> None:
    """For the longest texts of four bytes a character too: size is measured, not guessed."""
    wide = "\N{GRINNING FACE}"
    texts = {
        "reference": wide * 128,
        "labels": {f"{n}{wide * 63}": wide * 128 for n in range(8)},
        "key_id": wide * 64,
        "tool": wide * 64,
        "provider_request_id": wide * 128,
    }
    book.grant(1_000_000)
    book.shard.begin(book.at)
    turn = 0
    while not book.shard.is_full:
        command = book.command(cmd.ReserveCredits, reservation_id=f"r{turn}", amount=1, ttl=HOUR)
        command.cause.update(texts)
        assert book.shard.execute(command) is not None
        turn += 1
    book.commit()
    assert 1 < book.log.commits[-1].n == turn
    assert len(book.log.commits[-1].body) <= batches.BYTES_MAX
