"""The ledger's rules, on pure state."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scrip.ledger.v1.events_pb2 import EventBatch

from services.ledger.application.shard import Answer, Recorded, Refused, Result, Shard
from services.ledger.domain import commands as cmd
from services.ledger.domain.account import NEVER, Balance, ReservationState, balance_at
from services.ledger.domain.errors import CommandRefusedError
from services.ledger.domain.events import ReservationCaptured
from services.ledger.store import codec
from services.ledger.store.log import Commit

SECOND = 1_000_000
DAY = 24 * 3600 * SECOND


@dataclass
class Book:
    """A shard with a clock that the test moves, and shorthand for commands."""

    at: int = 1_000 * DAY
    shard: Shard = field(default_factory=lambda: Shard(0))
    requests: int = 0
    commits: list[Commit] = field(default_factory=list)

    def do(self, make: type[cmd.Command], request_id: str = "", **fields: object) -> Answer:
        """Executes a command and commits its batch; raises what refuses it."""
        result = self.result(make, request_id, **fields)
        if isinstance(result, Refused):
            raise result.error
        assert isinstance(result, Answer)
        return result

    def result(self, make: type[cmd.Command], request_id: str = "", **fields: object) -> Result | None:
        """Executes a command and commits its batch."""
        self.requests += 1
        not_after = int(str(fields.pop("not_after", self.at + DAY)))
        cause = cmd.Cause(request_id or f"request-{self.requests}", not_after)
        command = make(account_id="a", cause=cause, not_after=not_after, **fields)  # type: ignore[arg-type]
        cause.fingerprint = cmd.fingerprint(command)
        self.shard.begin(self.at)
        result = self.shard.execute(command)
        self._commit()
        return result

    def open(self) -> None:
        """Opens the account."""
        self.do(cmd.OpenAccount)

    def grant(self, amount: int, priority: int = 100, lasts: int = 0, grant_id: str = "") -> None:
        """Grants credits that last so many microseconds; 0: for ever."""
        self.do(
            cmd.GrantCredits,
            grant_id=grant_id or f"g{self.requests}",
            amount=amount,
            source=1,
            priority=priority,
            expires_at=self.at + lasts if lasts else 0,
            paid_amount=0,
            paid_currency="",
        )

    def reserve(self, reservation_id: str, amount: int, ttl: int = 60 * SECOND, request_id: str = "") -> Answer:
        """Reserves."""
        return self.do(cmd.ReserveCredits, request_id, reservation_id=reservation_id, amount=amount, ttl=ttl)

    def capture(self, reservation_id: str, total: int, final: bool = True, up_to_available: bool = False) -> Answer:
        """Captures up to a cumulative total."""
        return self.do(
            cmd.CaptureReservation,
            reservation_id=reservation_id,
            captured_total=total,
            final=final,
            up_to_available=up_to_available,
        )

    def release(self, reservation_id: str) -> Answer:
        """Releases."""
        return self.do(cmd.ReleaseReservation, reservation_id=reservation_id)

    def balance(self) -> Balance:
        """The balance now."""
        return balance_at(self.shard.accounts["a"], self.at)

    def tick(self) -> None:
        """Lets everything that is due lapse by its events."""
        self.shard.begin(self.at)
        self._commit()

    def _commit(self) -> None:
        if self.shard.has_events:
            self.commits.append(self.shard.close("test"))
            self.shard.committed(self.commits[-1])


@pytest.fixture
def book() -> Book:
    """An open account without credits."""
    opened = Book()
    opened.open()
    return opened


def left(book: Book) -> dict[str, int]:
    """What is available in each grant."""
    return {grant.grant_id: grant.available for grant in book.balance().grants}


def test_grants_burn_by_priority_then_expiry_then_age(book: Book) -> None:
    """Lower priority burns first; among equals the one that lapses first, and what never lapses last."""
    book.grant(10, priority=50, grant_id="never")
    book.grant(10, priority=50, lasts=DAY, grant_id="soon")
    book.grant(10, priority=1, grant_id="first")
    book.grant(10, priority=200, lasts=SECOND * 5, grant_id="last")
    book.reserve("r", 25)
    assert left(book) == {"never": 5, "soon": 0, "first": 0, "last": 10}


def test_a_release_returns_to_the_grants_it_came_from(book: Book) -> None:
    """Release restores each grant exactly."""
    book.grant(10, priority=1, grant_id="x")
    book.grant(10, priority=2, grant_id="y")
    book.reserve("r", 15)
    book.release("r")
    assert left(book) == {"x": 10, "y": 10}
    (released,) = EventBatch.FromString(book.commits[-1].body).events
    assert (list(released.allocation_grants), list(released.allocation_amounts_micros)) == ([1, 2], [10, 5])


def test_partial_captures_are_cumulative_totals(book: Book) -> None:
    """A capture names the total, so saying it twice spends once."""
    book.grant(100)
    book.reserve("r", 60)
    book.capture("r", 20, final=False)
    book.capture("r", 20, final=False)
    book.capture("r", 50, final=False)
    assert (book.balance().spent, book.balance().reserved) == (50, 10)
    book.capture("r", 55)
    assert (book.balance().spent, book.balance().reserved, book.balance().available) == (55, 0, 45)


def test_a_reserved_grant_cannot_expire_under_its_reservation(book: Book) -> None:
    """What is reserved stays reserved past the grant's expiry, can be captured, and the rest lapses on its return."""
    book.grant(100, lasts=10 * SECOND)
    book.reserve("r", 60, ttl=3600 * SECOND)
    book.at += 20 * SECOND
    book.tick()
    assert (book.balance().expired, book.balance().reserved) == (40, 60)
    book.capture("r", 50)
    balance = book.balance()
    assert (balance.spent, balance.expired, balance.available, balance.reserved) == (50, 50, 0, 0)


def test_an_expired_reservation_gives_everything_back(book: Book) -> None:
    """Time ends a reservation as a release would, and then it can no longer be captured."""
    book.grant(100)
    book.reserve("r", 60, ttl=5 * SECOND)
    book.at += 5 * SECOND
    assert book.balance().available == 100, "due counts as lapsed before it is an event"
    with pytest.raises(CommandRefusedError) as refused:
        book.capture("r", 10)
    assert refused.value.reason == "RESERVATION_EXPIRED"
    assert book.shard.accounts["a"].available == 100


def test_an_extended_reservation_outlives_its_first_expiry(book: Book) -> None:
    """Only the latest expiry counts, and it is never moved back."""
    book.grant(100)
    book.reserve("r", 60, ttl=5 * SECOND)
    book.do(cmd.ExtendReservation, reservation_id="r", ttl=DAY)
    book.do(cmd.ExtendReservation, reservation_id="r", ttl=SECOND)
    book.at += 3600 * SECOND
    book.tick()
    assert book.balance().reserved == 60
    book.at += DAY
    book.tick()
    assert book.balance().reserved == 0


def test_capture_up_to_available_takes_what_is_there_and_records_the_rest(book: Book) -> None:
    """Overage never takes available credits below zero; what is missing is the shortfall."""
    book.grant(70)
    book.reserve("r", 50)
    answer = book.capture("r", 100, up_to_available=True)
    assert (book.balance().spent, book.balance().available) == (70, 0)
    assert getattr(answer.subject, "shortfall", None) == 30


def test_a_shortfall_is_what_the_last_total_misses(book: Book) -> None:
    """Totals are cumulative: the same one said twice misses the same, and more credits make it smaller."""
    book.grant(70)
    book.reserve("r", 50)
    for _ in range(2):
        answer = book.capture("r", 100, final=False, up_to_available=True)
        assert getattr(answer.subject, "shortfall", None) == 30
    book.grant(20)
    answer = book.capture("r", 100, up_to_available=True)
    assert (getattr(answer.subject, "captured", None), getattr(answer.subject, "shortfall", None)) == (90, 10)


def test_a_balance_counts_a_due_reservation_whose_first_grant_is_spent(book: Book) -> None:
    """A hold that was captured whole gives nothing back, also before the expiry is an event."""
    book.grant(10, priority=1)
    book.grant(10, priority=2)
    book.reserve("r", 20, ttl=SECOND)
    book.capture("r", 10, final=False)
    book.at += SECOND
    assert (book.balance().available, book.balance().reserved, book.balance().spent) == (10, 0, 10)


def test_a_replayed_refusal_stays_one(book: Book) -> None:
    """Another request may make the reservation later; the refused one is answered as it was."""
    book.grant(10)
    with pytest.raises(CommandRefusedError):
        book.reserve("r", 20, request_id="refused")
    refused_in = book.shard.seq
    book.grant(10)
    book.reserve("r", 20)
    assert book.result(cmd.ReserveCredits, "refused", reservation_id="r", amount=20, ttl=SECOND) == Recorded(
        refused_in, 0
    )


def test_a_shard_forgets_deadlines_that_no_longer_count(book: Book) -> None:
    """However often reservations come and go before a far expiry, the shard watches each account about once."""
    book.grant(1_000, lasts=365 * DAY)
    for turn in range(300):
        book.reserve(f"r{turn}", 1, ttl=SECOND)
        book.release(f"r{turn}")
        book.at += 2 * SECOND
        book.tick()
    assert len(book.shard._deadlines) <= 64 + 4


def test_an_event_is_never_much_larger_than_its_estimate() -> None:
    """The estimate keeps a batch below what a message may hold, for the longest texts of four bytes a character too."""
    wide = "\N{GRINNING FACE}"
    cause = cmd.Cause(
        request_id="q" * 128,
        remember_until=NEVER,
        actor="service:gateway",
        trace_id="a" * 32,
        reference=wide * 128,
        labels={f"{n}{wide * 63}": wide * 128 for n in range(8)},
        key_id=wide * 64,
        tool=wide * 64,
        tool_version=(1 << 32) - 1,
        price_version=(1 << 32) - 1,
        provider_request_id=wide * 128,
        provider_cost=NEVER,
        provider_cost_currency="EUR",
        fingerprint=bytes(8),
    )
    parts = tuple((number, NEVER) for number in range(1, 50))
    event = ReservationCaptured(
        "a" * 63, cause, NEVER, NEVER, "r" * 128, NEVER, NEVER, True, NEVER, NEVER, NEVER, parts, parts
    )
    batch = EventBatch()
    codec.add(batch, event)
    assert batch.ByteSize() <= 1.1 * codec.size_estimate(event)


def test_a_known_reservation_answers_as_it_is_now(book: Book) -> None:
    """Reserving under a known id reserves nothing and tells the present state, ended ones too."""
    book.grant(100)
    book.reserve("r", 60)
    again = book.reserve("r", 60)
    assert again.replayed
    assert book.balance().reserved == 60
    book.release("r")
    ended = book.reserve("r", 60)
    assert getattr(ended.subject, "state", None) is ReservationState.RELEASED
    assert book.balance().reserved == 0


REFUSALS = [
    ("reserve more than available", lambda b: b.reserve("x", 101), "INSUFFICIENT_CREDITS",
     {"required_micros": 101, "available_micros": 100, "reserved_micros": 0}),
    ("capture over reserved", lambda b: (b.reserve("x", 10), b.capture("x", 11)), "CAPTURE_EXCEEDS_RESERVED",
     {"requested_micros": 11, "reserved_micros": 10}),
    ("capture below captured", lambda b: (b.reserve("x", 10), b.capture("x", 5, False), b.capture("x", 4)),
     "REQUEST_INVALID", {"requested_micros": 4, "captured_micros": 5}),
    ("capture the unknown", lambda b: b.capture("nope", 1), "RESERVATION_NOT_FOUND",
     {"account_id": "a", "reservation_id": "nope"}),
    ("release the released", lambda b: (b.reserve("x", 10), b.release("x"), b.release("x")), "RESERVATION_ENDED",
     {"reservation_id": "x", "state": "RELEASED", "captured_micros": 0}),
    ("reuse a reservation id for another amount", lambda b: (b.reserve("x", 10), b.reserve("x", 11)),
     "REQUEST_ID_REUSED", {"reservation_id": "x", "amount_micros": 10, "requested_micros": 11}),
    ("reuse a request id", lambda b: (b.reserve("x", 10, request_id="q"), b.reserve("y", 10, request_id="q")),
     "REQUEST_ID_REUSED", {"request_id": "q"}),
    ("a command too late", lambda b: b.do(cmd.ReleaseReservation, reservation_id="x", not_after=b.at - 1),
     "REQUEST_EXPIRED", {"not_after": 1_000 * DAY - 1}),
    ("grant beyond int64", lambda b: b.grant((1 << 63) - 100), "REQUEST_INVALID", {"limit_micros": (1 << 63) - 1}),
]  # fmt: skip


@pytest.mark.parametrize(("act", "reason", "fields"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS])
def test_refusals_name_their_numbers(book: Book, act, reason, fields) -> None:  # type: ignore[no-untyped-def]
    """Each refusal has its exact reason and every number of its message, and changes no balance."""
    book.grant(100)
    with pytest.raises(CommandRefusedError) as refused:
        act(book)
    assert (refused.value.reason, refused.value.fields) == (reason, fields)
    for value in fields.values():
        assert str(value) in str(refused.value)
    balance = book.balance()
    assert balance.spent + balance.available + balance.reserved == 100


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("grant"), st.integers(1, 50), st.integers(0, 3), st.sampled_from([0, 3, 8])),
        st.tuples(st.just("reserve"), st.integers(0, 60), st.integers(0, 9), st.integers(1, 20)),
        st.tuples(st.just("capture"), st.integers(0, 60), st.integers(0, 9), st.sampled_from([0, 1, 2])),
        st.tuples(st.just("release"), st.just(0), st.integers(0, 9), st.just(0)),
        st.tuples(st.just("extend"), st.integers(1, 30), st.integers(0, 9), st.just(0)),
        st.tuples(st.just("wait"), st.integers(1, 10), st.just(0), st.just(0)),
    ),
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_credits_always_add_up_and_replay_gives_the_same_state(steps: list[tuple[str, int, int, int]]) -> None:
    """granted = available + reserved + spent + expired, nothing below zero, and the log folds to the live state."""
    book = Book()
    book.open()
    for kind, amount, which, detail in steps:
        try:
            match kind:
                case "grant":
                    book.grant(amount, priority=which, lasts=detail * SECOND)
                case "reserve":
                    book.reserve(f"r{which}", amount, ttl=detail * SECOND)
                case "capture":
                    book.capture(f"r{which}", amount, final=detail == 1, up_to_available=detail == 2)
                case "release":
                    book.release(f"r{which}")
                case "extend":
                    book.do(cmd.ExtendReservation, reservation_id=f"r{which}", ttl=amount * SECOND)
                case "wait":
                    book.at += amount * SECOND
                    book.tick()
        except CommandRefusedError:
            pass
        account = book.shard.accounts["a"]
        assert account.granted == account.available + account.reserved + account.spent + account.expired
        assert min(account.available, account.reserved, account.spent, account.expired) >= 0
        assert account.available == sum(grant.available for grant in account.grants.values())
        assert account.reserved == sum(grant.reserved for grant in account.grants.values())
        assert account.reserved == sum(r.reserved for r in account.open_reservations.values())
        balance = book.balance()
        assert balance.granted == balance.available + balance.reserved + balance.spent + balance.expired
    replayed = Shard(0)
    for commit in book.commits:
        replayed.fold(commit)
    live = book.shard.accounts["a"]
    again = replayed.accounts["a"]
    again.deadlines = live.deadlines
    assert again == live
    assert (replayed.seq, replayed.hash, replayed.next_position) == (
        book.shard.seq,
        book.shard.hash,
        book.shard.next_position,
    )


def test_a_final_capture_says_which_grants_got_the_rest_back(book: Book) -> None:
    """Taken and released parts together are what the reservation held of each grant."""
    book.grant(10, priority=1)
    book.grant(10, priority=2)
    book.reserve("r", 16)
    book.capture("r", 7)
    event = EventBatch.FromString(book.commits[-1].body).events[0]
    assert (list(event.allocation_grants), list(event.allocation_amounts_micros)) == ([1], [7])
    assert (list(event.released_grants), list(event.released_amounts_micros)) == ([1, 2], [3, 6])
    assert event.released_micros == 9
