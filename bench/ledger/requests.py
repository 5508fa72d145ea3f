"""Commands for the ledger over gRPC."""

from collections.abc import Iterable

from google.protobuf.duration_pb2 import Duration
from scrip.ledger.v1 import events_pb2, ledger_pb2

from bench.ledger.commands import PLENTY, new_id

TTL = Duration(seconds=24 * 3600)
Command = ledger_pb2.Command


def open_account(account_id: str) -> ledger_pb2.OpenAccountRequest:
    """An account."""
    return ledger_pb2.OpenAccountRequest(request_id=new_id(), account_id=account_id)


def grant(account_id: str, amount: int = PLENTY) -> ledger_pb2.GrantCreditsRequest:
    """Credits that do not lapse."""
    return ledger_pb2.GrantCreditsRequest(
        request_id=new_id(),
        account_id=account_id,
        amount_micros=amount,
        source=events_pb2.GRANT_SOURCE_PROMOTION,
    )


def reserve(account_id: str, reservation_id: str, amount: int = 1) -> ledger_pb2.ReserveCreditsRequest:
    """Credits set aside for a day."""
    return ledger_pb2.ReserveCreditsRequest(
        request_id=new_id(), account_id=account_id, reservation_id=reservation_id, amount_micros=amount, ttl=TTL
    )


def capture(account_id: str, reservation_id: str, total: int = 1) -> ledger_pb2.CaptureReservationRequest:
    """What was set aside is spent; the rest goes back."""
    return ledger_pb2.CaptureReservationRequest(
        request_id=new_id(),
        account_id=account_id,
        reservation_id=reservation_id,
        captured_total_micros=total,
        final=True,
    )


def pairs(accounts: Iterable[str]) -> list[Command]:
    """A reserve and its capture on each account."""
    commands: list[Command] = []
    for account_id in accounts:
        reservation_id = new_id()
        commands.append(Command(reserve_credits=reserve(account_id, reservation_id)))
        commands.append(Command(capture_reservation=capture(account_id, reservation_id)))
    return commands


def openings(accounts: Iterable[str], amount: int = PLENTY) -> list[Command]:
    """Accounts with a grant each."""
    commands: list[Command] = []
    for account_id in accounts:
        commands.append(Command(open_account=open_account(account_id)))
        commands.append(Command(grant_credits=grant(account_id, amount)))
    return commands
