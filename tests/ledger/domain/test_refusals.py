"""Every refusal: its exact reason and fields, and which comes first where two apply."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.application.results import Refused
from services.ledger.domain import commands as cmd
from services.ledger.domain import errors
from services.ledger.domain.decide import grants
from services.runtime.errors import REASONS
from tests.ledger.domain.book import HOUR, Book
from tests.ledger.domain.refusals import BOTH, MOST, ROWS, Act, Refusal


@pytest.fixture
def book() -> Book:
    """Accounts `a`, with 100 credits in grant `g` and a limit of 0, and `b`."""
    opened = Book()
    opened.open()
    opened.open("b")
    opened.grant(100, "g")
    return opened


@pytest.fixture(autouse=True)
def _limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grants, "GRANTS_MAX", grants.GRANTS_MAX)


@pytest.mark.parametrize(("act", "error", "fields"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_refusals_name_their_numbers(book: Book, act: Act, error: Refusal, fields: dict[str, int | str]) -> None:
    """Each refusal has its exact reason and every number of its message."""
    with pytest.raises(errors.CommandRefusedError) as refused:
        act(book)
    assert (type(refused.value), refused.value.reason) == (error, error.reason)
    assert refused.value.fields == fields
    for value in fields.values():
        assert str(value) in str(refused.value)


@pytest.mark.parametrize(("act", "error"), [row[1:] for row in BOTH], ids=[row[0] for row in BOTH])
def test_of_two_refusals_the_first_is_given(book: Book, act: Act, error: Refusal) -> None:
    """The answer is deterministic: precedence is that of domain/errors.py."""
    with pytest.raises(errors.CommandRefusedError) as refused:
        act(book)
    assert type(refused.value) is error


def classes() -> set[Refusal]:
    return set(errors.CommandRefusedError.__subclasses__())


def test_every_reason_can_be_told() -> None:
    """Each error class has a reason that gRPC and HTTP know."""
    assert {error.reason for error in classes()} - set(REASONS) == set()


def test_every_refusal_is_in_the_table() -> None:
    """Those of atomic batches are tested with them; what is not open is told by the entries."""
    elsewhere = {errors.BatchRefusedError, errors.BatchTooLargeError, errors.ReservationNotOpenError}
    assert {row[2] for row in ROWS} | elsewhere == classes()


def test_every_refusal_has_a_precedence() -> None:
    """The order in domain/errors.py names each class once."""
    listed = (errors.__doc__ or "").split("first that applies is given:")[1].split("(A request id")[0]
    names = [name.strip(" .\n") for name in listed.split(",")]
    elsewhere = {"BatchRefused", "BatchTooLarge", "ReservationNotOpen"}
    assert len(names) == len(set(names))
    assert set(names) | elsewhere == {error.__name__.removesuffix("Error") for error in classes()}


def test_only_a_lack_of_credits_is_recorded(book: Book) -> None:
    """It can be explained later, with what there was; other refusals make no event."""
    commits = len(book.log.commits)
    for _, act, error, _ in ROWS:
        if error is errors.GrantNotFoundError:
            with pytest.raises(error):
                act(book)
    assert "REQUEST_REFUSED" not in book.kinds
    with pytest.raises(errors.InsufficientCreditsError):
        book.reserve("r", 500, request_id="q")
    assert book.kinds == ["REQUEST_REFUSED"]
    (event,) = book.last
    assert (event.amount_micros, event.available_after_micros, event.reason) == (500, 0, "INSUFFICIENT_CREDITS")
    assert (event.request_id, event.reservation_id, event.credit_limit_micros) == ("q", "r", 0)
    assert len(book.log.commits) == commits + 2


@given(st.integers(0, MOST), st.integers(0, MOST), st.integers(0, MOST))
def test_no_amount_overflows_an_int64(limit_micros: int, granted: int, reserved: int) -> None:
    """However much is lent, granted and reserved, each command is done or refused, and every event can be written."""
    book = Book()
    book.open(credit_limit=limit_micros)
    for command in (
        book.command(
            cmd.GrantCredits, grant_id="g", amount=max(granted, 1), source=1, priority=1, effective_at=0, expires_at=0
        ),
        book.command(cmd.ReserveCredits, reservation_id="r", amount=reserved, ttl=HOUR),
        book.command(cmd.ReserveCredits, reservation_id="s", amount=MOST, ttl=HOUR),
        book.command(cmd.CaptureReservation, reservation_id="r", captured_total=MOST, final=True, up_to_available=True),
    ):
        result = book.result(command)
        assert not isinstance(result, Refused) or result.error.reason in REASONS
    account = book.account()
    assert account.granted == account.available + account.reserved + account.spent
