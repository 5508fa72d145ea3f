"""What commands led to → responses, one function a kind of response; by the name of the command's field in Command."""

from collections.abc import Callable, Mapping
from typing import Any

from services.ledger.application.execution import Done, Voided
from services.ledger.application.results import Answer, Refused
from services.ledger.application.transfers import Transferred
from services.ledger.transport import answers
from services.ledger.transport.status import refusal
from services.runtime.errors import Refusal


def fill(kind: str, response: Any, account_id: str, done: Answer | Transferred | Voided, shard: int) -> None:
    """Fills the response of a command that was done."""
    answer: Any = done if isinstance(done, Answer) else done.result
    _FILLERS[kind](response, account_id, done)
    if answer.replayed:
        response.replayed = True
    if answer.position:
        response.position = f"{shard}:{answer.position}"


def fill_error(target: Any, error: Refusal) -> None:
    """Fills the CommandError of one that was not."""
    target.code = error.code.value[0]
    target.reason = error.reason
    target.message = error.message
    target.metadata.update(error.metadata)


def refusal_of(done: Done | Refusal) -> Refusal:
    """Why a command was refused, or was none."""
    if isinstance(done, Refusal):
        return done
    if isinstance(done, Refused):
        return refusal(done.error)
    raise AssertionError("it was done")


def _reservation(response: Any, account_id: str, answer: Answer) -> None:
    answers.fill_reservation(response.reservation, account_id, answer.subject)  # type: ignore[arg-type]


def _account(response: Any, account_id: str, answer: Answer) -> None:
    answers.fill_account(response.account, answer.subject)  # type: ignore[arg-type]


def _grant(response: Any, account_id: str, answer: Answer) -> None:
    answers.fill_made_grant(response.grant, answer.subject, answer.at)  # type: ignore[arg-type]


def _void(response: Any, account_id: str, voided: Voided) -> None:
    answers.fill_told_grant(response.grant, voided.told)
    response.voided_micros = voided.result.subject.amount_micros  # type: ignore[union-attr]


def _refund(response: Any, account_id: str, answer: Answer) -> None:
    event: Any = answer.subject
    response.amount_micros = event.amount_micros
    response.refunded_total_micros = event.refunded_total_micros
    response.grant_id = event.grant_id


def _adjustment(response: Any, account_id: str, answer: Answer) -> None:
    event: Any = answer.subject
    response.available_after_micros = event.available_after_micros
    response.grant_id = event.grant_id


def _transfer(response: Any, account_id: str, transferred: Transferred) -> None:
    answer: Any = transferred.result
    event = answer.subject
    target = response.transfer
    target.transfer_id = event.transfer_id
    target.account_id = account_id
    target.to_account_id = event.counterpart_account_id
    target.amount_micros = event.amount_micros
    target.state = transferred.state.value
    answers.fill_time(target.created_at, answer.at)
    target.reason = transferred.reason


_FILLERS: Mapping[str, Callable[[Any, str, Any], None]] = {
    "open_account": _account,
    "update_account": _account,
    "grant_credits": _grant,
    "void_grant": _void,
    "reserve_credits": _reservation,
    "extend_reservation": _reservation,
    "capture_reservation": _reservation,
    "release_reservation": _reservation,
    "refund_capture": _refund,
    "adjust_balance": _adjustment,
    "transfer_credits": _transfer,
}
