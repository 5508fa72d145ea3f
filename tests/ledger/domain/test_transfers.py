"""Credits that go from account to account."""

import pytest
from scrip.ledger.v1 import events_pb2 as pb

from services.ledger.application.results import Refused
from services.ledger.domain import commands as cmd
from services.ledger.domain.account import AccountState
from services.ledger.domain.decide import grants
from services.ledger.domain.errors import CommandRefusedError
from services.ledger.domain.postings import Book as Ends
from services.ledger.domain.postings import postings
from tests.ledger.domain.book import DAY, HOUR, Book


@pytest.fixture
def pair(book: Book) -> Book:
    """Accounts `a`, with 100 credits in grant `g`, and `b`."""
    book.open("b")
    book.grant(100, "g")
    return book


def test_a_transfer_on_one_shard_is_one_commit(pair: Book) -> None:
    """Sent, received and completed together: nobody ever sees the credits nowhere."""
    pair.send("t", 40)
    assert pair.kinds == ["TRANSFER_SENT", "CREDITS_GRANTED", "TRANSFER_COMPLETED"]
    assert [event.account_id for event in pair.last] == ["a", "b", "a"]
    assert {event.transfer_id for event in pair.last} == {"t"}
    assert [event.counterpart_account_id for event in pair.last] == ["b", "a", "b"]
    ends = [(p.source, p.target, p.amount) for event in pair.last for p in postings(event, pair.at)]
    assert ends == [(Ends.AVAILABLE, Ends.TRANSIT, 40), (Ends.TRANSIT, Ends.AVAILABLE, 40)]
    assert (pair.balance().available, pair.balance().voided) == (60, 40)
    assert (pair.balance("b").available, pair.balance("b").granted, pair.left("b")) == (40, 40, {"grant_t": 40})
    assert not pair.account().transfers


def test_a_transfer_is_a_grant_at_the_other_account(pair: Book) -> None:
    """Of source TRANSFER, usable at once."""
    pair.send("t", 40)
    event = pair.last[1]
    assert (event.source, event.effective_at, event.priority) == (pb.GRANT_SOURCE_TRANSFER, pair.at, 100)
    pair.reserve("r", 40, account_id="b")


def test_expiry_is_carried_over_a_transfer(pair: Book) -> None:
    """What arrives lapses when the first of the grants it came from would have: a transfer extends nothing."""
    pair.grant(10, "soon", lasts=HOUR, priority=1)
    pair.grant(10, "later", lasts=DAY, priority=2)
    pair.send("t", 25)
    assert pair.account("b").grant(1).expires_at == pair.at + HOUR
    pair.wait(HOUR)
    assert (pair.balance("b").expired, pair.balance().expired) == (25, 0)
    pair.send("u", 5)
    assert pair.account("b").grant(2).expires_at == 0


def test_a_transfer_to_a_closed_account_comes_back_in_the_same_commit(pair: Book) -> None:
    """To the grants it came from, and all is as before."""
    pair.turn(AccountState.CLOSED, "b")
    pair.send("t", 40)
    assert pair.kinds == ["TRANSFER_SENT", "TRANSFER_RETURNED"]
    assert pair.last[1].reason == "ACCOUNT_CLOSED"
    assert (pair.balance().available, pair.balance().voided, pair.left()) == (100, 0, {"g": 100})
    assert (pair.account().more.transferred_out, pair.account().transfers) == (0, {})


def test_a_transfer_for_which_there_is_no_room_is_rejected_and_comes_back(
    pair: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other account remembers that it did not take it in, so no later attempt can."""
    pair.grant(1, account_id="b")
    monkeypatch.setattr(grants, "GRANTS_MAX", 1)
    pair.send("t", 40)
    assert pair.kinds == ["TRANSFER_SENT", "TRANSFER_REJECTED", "TRANSFER_RETURNED"]
    assert pair.last[2].reason == "TOO_MANY_GRANTS"
    monkeypatch.undo()
    with pytest.raises(CommandRefusedError) as refused:
        pair.receive("t", 40, account_id="b")
    assert refused.value.reason == "TRANSFER_REJECTED"
    assert (pair.balance().available, pair.balance("b").granted) == (100, 1)


def test_a_rejection_is_recorded_and_refused(pair: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """The attempt that finds no room makes an event, and tells the other shard that it did."""
    monkeypatch.setattr(grants, "GRANTS_MAX", 0)
    result = pair.result(
        pair.command(cmd.ReceiveTransfer, "b", transfer_id="t", from_account_id="far", amount=1, expires_at=0)
    )
    assert isinstance(result, Refused)
    assert (pair.kinds, result.error.reason) == (["TRANSFER_REJECTED"], "TRANSFER_REJECTED")


def test_a_transfer_to_another_shard_is_in_transit_until_it_ends(pair: Book) -> None:
    """The sender remembers it; completing it moves nothing more."""
    pair.send("t", 40, to="far")
    assert pair.kinds == ["TRANSFER_SENT"]
    assert (pair.balance().available, list(pair.account().transfers or {})) == (60, ["t"])
    assert pair.shard.senders == {"a"}
    pair.do(cmd.CompleteTransfer, transfer_id="t")
    assert pair.kinds == ["TRANSFER_COMPLETED"]
    assert (pair.balance().available, pair.balance().voided, pair.account().transfers) == (60, 40, {})
    with pytest.raises(CommandRefusedError) as refused:
        pair.do(cmd.ReturnTransfer, transfer_id="t", grant_id="new", reason="")
    assert refused.value.reason == "TRANSFER_NOT_FOUND"


def test_what_comes_back_to_a_dead_grant_is_a_new_one(pair: Book) -> None:
    """As with a refund: valid for thirty days more."""
    pair.grant(10, "dead", lasts=HOUR, priority=1)
    pair.send("t", 40, to="far")
    pair.wait(HOUR)
    pair.do(cmd.ReturnTransfer, transfer_id="t", grant_id="new", reason="ACCOUNT_CLOSED")
    assert pair.left() == {"g": 100, "new": 10}
    assert pair.account().grant(3).expires_at == pair.at + 30 * DAY
    assert (pair.balance().available, pair.balance().granted, pair.balance().voided) == (110, 110, 0)


def test_a_transfer_arrives_once(pair: Book) -> None:
    """By its id, for ever: however often it is sent again, whatever became of the credits meanwhile."""
    pair.receive("t", 40, account_id="b", lasts=HOUR)
    pair.wait(365 * DAY)
    again = pair.receive("t", 40, account_id="b", not_after=pair.at + DAY)
    assert (again.position, pair.balance("b").granted, pair.balance("b").expired) == (0, 40, 40)


def test_a_transfer_that_arrives_after_its_expiry_lapses_there(pair: Book) -> None:
    """Late credits count as granted and expired, so nothing is lost from the books."""
    pair.receive("t", 40, account_id="b", lasts=-1)
    pair.wait(0)
    assert (pair.balance("b").granted, pair.balance("b").expired, pair.balance("b").available) == (40, 40, 0)


def test_a_transfer_repays_what_the_other_account_owes(pair: Book) -> None:
    """Credits that arrive are used like any others, in the same commit."""
    pair.do(cmd.UpdateAccount, "b", state=None, credit_limit=50, void_available=False, reason="")
    pair.reserve("r", 30, account_id="b")
    pair.capture("r", 30, account_id="b")
    pair.send("t", 40)
    assert pair.kinds == ["TRANSFER_SENT", "CREDITS_GRANTED", "CREDIT_REPAID", "TRANSFER_COMPLETED"]
    assert (pair.account("b").owed, pair.balance("b").available) == (0, 10)


def test_credits_that_are_reserved_cannot_be_sent(pair: Book) -> None:
    """Only what is available leaves; the refusal is recorded, and says so."""
    pair.reserve("r", 70)
    with pytest.raises(CommandRefusedError) as refused:
        pair.send("t", 31)
    assert refused.value.fields == {"required_micros": 31, "available_micros": 30, "reserved_micros": 70}
    assert (pair.kinds, pair.last[0].counterpart_account_id) == (["REQUEST_REFUSED"], "b")
