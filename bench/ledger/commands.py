"""Commands for the ledger in process, with ids that compress as little as real ones do."""

import itertools
import random
from collections.abc import Iterable

from services.ledger.domain import commands as cmd
from services.runtime import clock

DAY = 24 * 3600 * clock.MICROS_PER_SECOND
# Of a grant that no measurement uses up.
PLENTY = 10**12
_numbers = itertools.count()


def new_id() -> str:
    """32 hex digits like those of a UUIDv7: 48 bits that count, 80 that are drawn. They cost next to nothing, for what
    is measured is the ledger."""
    return f"{next(_numbers):012x}{random.getrandbits(80):020x}"


class Author:
    """Makes the commands of one request: they share its trace."""

    def __init__(self) -> None:
        self._trace_id = f"{random.getrandbits(128):032x}"
        self._not_after = clock.now_us() + DAY

    def open(self, account_id: str) -> cmd.Command:
        """Opens an account."""
        return _signed(cmd.OpenAccount(account_id, self._cause(), self._not_after))

    def grant(self, account_id: str, amount: int = PLENTY) -> cmd.Command:
        """Adds a grant that does not lapse."""
        return _signed(cmd.GrantCredits(account_id, self._cause(), self._not_after, new_id(), amount, 1, 100, 0, 0))

    def reserve(self, account_id: str, reservation_id: str, amount: int = 1) -> cmd.Command:
        """Sets credits aside for a day."""
        return _signed(cmd.ReserveCredits(account_id, self._cause(), self._not_after, reservation_id, amount, DAY))

    def capture(self, account_id: str, reservation_id: str, total: int = 1) -> cmd.Command:
        """Spends what was set aside."""
        return _signed(
            cmd.CaptureReservation(account_id, self._cause(), self._not_after, reservation_id, total, True, False)
        )

    def _cause(self) -> cmd.Cause:
        return {
            "request_id": new_id(),
            "fingerprint": b"",
            "remember_until": self._not_after,
            "actor": "service:bench",
            "trace_id": self._trace_id,
        }


def pairs(accounts: Iterable[str]) -> list[cmd.Command]:
    """A reserve and its capture on each account, of one request."""
    author = Author()
    commands: list[cmd.Command] = []
    for account_id in accounts:
        reservation_id = new_id()
        commands.append(author.reserve(account_id, reservation_id))
        commands.append(author.capture(account_id, reservation_id))
    return commands


def openings(accounts: Iterable[str], grants: int = 1) -> list[cmd.Command]:
    """Opens accounts with so many grants each."""
    author = Author()
    commands: list[cmd.Command] = []
    for account_id in accounts:
        commands.append(author.open(account_id))
        commands += [author.grant(account_id) for _ in range(grants)]
    return commands


def _signed(command: cmd.Command) -> cmd.Command:
    command.cause["fingerprint"] = cmd.fingerprint(command)
    return command
