"""Which event a command leads to. Reads state, changes none."""

from typing import assert_never

from scrip.ledger.v1 import events_pb2 as pb

from services.ledger.domain import commands as cmd
from services.ledger.domain import errors
from services.ledger.domain.account import Account
from services.ledger.domain.decide import accounts, grants, reservations, transfers


def decide(account: Account | None, command: cmd.Command, at: int) -> pb.Event | None:  # noqa: PLR0912 (one case a command)
    """The event `command` leads to at time `at`; None where all is as it asks already. Refuses by raising.

    The caller looked for the request id and applied what was due before.
    """
    if command.not_after < at:
        raise errors.RequestExpiredError(not_after=command.not_after)
    if account is None:
        if isinstance(command, cmd.OpenAccount):
            return accounts.open_(None, command)
        raise errors.AccountNotFoundError(account_id=command.account_id)
    match command:
        case cmd.ReserveCredits():
            return reservations.reserve(account, command, at)
        case cmd.CaptureReservation():
            return reservations.capture(account, command)
        case cmd.ReleaseReservation():
            return reservations.release(account, command)
        case cmd.ExtendReservation():
            return reservations.extend(account, command, at)
        case cmd.GrantCredits():
            return grants.grant(account, command, at)
        case cmd.VoidGrant():
            return grants.void(account, command)
        case cmd.RefundCapture():
            return grants.refund(account, command, at)
        case cmd.AdjustBalance():
            return grants.reduce(account, command)
        case cmd.OpenAccount():
            return accounts.open_(account, command)
        case cmd.UpdateAccount():
            return accounts.update(account, command)
        case cmd.SendTransfer():
            return transfers.send(account, command)
        case cmd.ReceiveTransfer():
            return transfers.receive(account, command, at)
        case cmd.CompleteTransfer():
            return transfers.complete(account, command)
        case cmd.ReturnTransfer():
            return transfers.return_(account, command, at)
        case _:
            assert_never(command)
