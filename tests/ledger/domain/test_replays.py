"""Request ids: said again, said with other content, said too late."""

import pytest
from scrip.ledger.v1 import events_pb2 as pb

from services.ledger.application.results import Answer, Recorded
from services.ledger.domain import commands as cmd
from services.ledger.domain.account import AccountState, Reservation
from services.ledger.domain.errors import CommandRefusedError
from tests.ledger.domain.book import DAY, HOUR, SECOND, Book


@pytest.fixture
def stocked(book: Book) -> Book:
    """Accounts `a` and `b`; `a` has 100 credits, a reservation of 20 and a captured one of 10."""
    book.open("b")
    book.grant(100, "g")
    book.spend(10, "spent")
    book.reserve("r", 20)
    return book


COMMANDS = {
    "grant": lambda b, q: b.grant(5, "new", request_id=q),
    "void": lambda b, q: b.void("g", request_id=q),
    "reserve": lambda b, q: b.reserve("s", 5, request_id=q),
    "extend": lambda b, q: b.extend("r", DAY, request_id=q),
    "capture": lambda b, q: b.capture("r", 5, final=False, request_id=q),
    "final capture": lambda b, q: b.capture("r", 5, request_id=q),
    "release": lambda b, q: b.release("r", request_id=q),
    "refund": lambda b, q: b.refund("spent", 5, "back", request_id=q),
    "adjust": lambda b, q: b.reduce(5, request_id=q),
    "transfer": lambda b, q: b.send("t", 5, request_id=q),
    "freeze": lambda b, q: b.turn(AccountState.FROZEN, request_id=q),
    "limit": lambda b, q: b.limit(5, request_id=q),
}


@pytest.mark.parametrize("act", COMMANDS.values(), ids=COMMANDS.keys())
def test_a_command_said_again_answers_as_it_did_and_does_nothing(stocked: Book, act) -> None:  # type: ignore[no-untyped-def]
    """Every kind of command, in the same batch or later: one event, the same answer, marked as a replay."""
    first = act(stocked, "again")
    commits, before = len(stocked.log.commits), stocked.balance()
    for wait in (0, SECOND):
        stocked.wait(wait)
        again = act(stocked, "again")
        assert again.replayed
        assert not first.replayed
        if isinstance(first.subject, pb.Event):
            assert (again.subject, again.position, again.at) == (first.subject, first.position, first.at)
        elif isinstance(first.subject, Reservation):
            assert again.subject.state is first.subject.state
            assert again.subject.captured == first.subject.captured
    assert (len(stocked.log.commits), stocked.balance().available) == (commits, before.available)


@pytest.mark.parametrize("act", COMMANDS.values(), ids=COMMANDS.keys())
def test_a_command_said_twice_in_one_batch_acts_once(stocked: Book, act) -> None:  # type: ignore[no-untyped-def]
    """What the batch in hand decided is known before it is durable."""
    said: list[cmd.Command] = []

    def hear(command: cmd.Command) -> Answer:
        said.append(command)
        raise InterruptedError

    stocked.result, execute = hear, stocked.result  # type: ignore[method-assign]
    with pytest.raises(InterruptedError):
        act(stocked, "again")
    stocked.result = execute  # type: ignore[method-assign]
    stocked.shard.begin(stocked.at)
    stocked.shard.execute(said[0])
    events = stocked.shard._batch.n
    again = stocked.shard.execute(said[0])
    assert again is not None
    assert stocked.shard._batch.n == events


def test_a_request_id_with_other_content_is_refused(stocked: Book) -> None:
    """Kind, account, ids and amounts are the content."""
    stocked.grant(5, request_id="q")
    for act in (
        lambda: stocked.grant(6, request_id="q"),
        lambda: stocked.grant(5, priority=3, request_id="q"),
        lambda: stocked.reduce(5, request_id="q"),
        lambda: stocked.release("r", request_id="q"),
    ):
        with pytest.raises(CommandRefusedError) as refused:
            act()
        assert (refused.value.reason, refused.value.fields) == ("REQUEST_ID_REUSED", {"request_id": "q"})


def test_a_time_to_live_is_no_content(stocked: Book) -> None:
    """A retry may ask for another one; it answers as the first did."""
    stocked.reserve("s", 5, ttl=HOUR, request_id="q")
    again = stocked.reserve("s", 5, ttl=DAY, request_id="q")
    assert (again.replayed, getattr(again.subject, "expires_at", 0)) == (True, stocked.at + HOUR)


def test_a_request_id_belongs_to_its_account(stocked: Book) -> None:
    """Another account may use the same one for anything."""
    stocked.grant(5, request_id="q")
    stocked.grant(7, account_id="b", request_id="q")
    assert stocked.balance("b").granted == 7


def test_a_reservation_replays_as_it_is_now(stocked: Book) -> None:
    """The present state: what was reserved may be captured meanwhile."""
    stocked.reserve("s", 5, request_id="q")
    stocked.capture("s", 3)
    again = stocked.reserve("s", 5, request_id="q")
    assert isinstance(again.subject, Reservation)
    assert (again.replayed, again.subject.state.name, again.subject.captured) == (True, "CAPTURED", 3)


def test_a_refusal_for_lack_of_credits_stays_one(stocked: Book) -> None:
    """It is recorded: a replay gives the first answer with its numbers, although there are credits now."""
    for turn, act in enumerate((lambda q: stocked.reserve("s", 200, request_id=q),
                                lambda q: stocked.reduce(200, request_id=q),
                                lambda q: stocked.send("t", 200, request_id=q))):  # fmt: skip
        fields = []
        for _ in range(2):
            with pytest.raises(CommandRefusedError) as refused:
                act(f"refused{turn}")
            fields.append(refused.value.fields)
            stocked.grant(300)
        assert fields[0] == fields[1]
        stocked.reduce(600)


def test_a_refused_reservation_can_be_made_by_another_request(stocked: Book) -> None:
    """The refusal uses up its request id, not the reservation's."""
    with pytest.raises(CommandRefusedError):
        stocked.reserve("s", 90, request_id="refused")
    at = (stocked.shard.number, stocked.shard.seq, 0)
    stocked.grant(100)
    stocked.reserve("s", 90)
    again = stocked.shard.execute(
        stocked.command(cmd.ReserveCredits, request_id="refused", reservation_id="s", amount=90, ttl=HOUR)
    )
    assert again == Recorded(*at, refused=True)


def test_other_refusals_use_up_nothing(stocked: Book) -> None:
    """They make no event: the same request may succeed later."""
    stocked.turn(AccountState.FROZEN)
    with pytest.raises(CommandRefusedError):
        stocked.reserve("s", 5, request_id="q")
    stocked.turn(AccountState.ACTIVE)
    assert not stocked.reserve("s", 5, request_id="q").replayed


def test_a_command_is_refused_after_its_time(stocked: Book) -> None:
    """At `not_after` it is still done, later never; one that was done in time answers as long as it is remembered."""
    not_after = stocked.at + HOUR
    stocked.wait(HOUR)
    stocked.grant(5, "in-time", not_after=not_after, request_id="q")
    stocked.wait(1)
    with pytest.raises(CommandRefusedError) as refused:
        stocked.grant(5, "late", not_after=not_after)
    assert (refused.value.reason, refused.value.fields) == ("REQUEST_EXPIRED", {"not_after": not_after})
    assert stocked.grant(5, "in-time", not_after=not_after, request_id="q").replayed


def test_a_request_id_that_is_forgotten_is_refused_as_too_late(stocked: Book) -> None:
    """It is remembered until its own `not_after`: whatever comes after that is never applied."""
    not_after = stocked.at + HOUR
    stocked.grant(5, "g5", not_after=not_after, request_id="q")
    remembered = len(stocked.shard.request_ids)
    stocked.wait(3 * DAY)
    stocked.grant(1)
    assert len(stocked.shard.request_ids) < remembered
    with pytest.raises(CommandRefusedError) as refused:
        stocked.grant(5, "g5", not_after=not_after, request_id="q")
    assert refused.value.reason == "REQUEST_EXPIRED"
    assert stocked.balance().granted == 106
