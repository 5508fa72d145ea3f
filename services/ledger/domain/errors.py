"""Why a well-formed command is refused. A class's docstring is its message, filled with its numbers.

Precedence, so that an answer is deterministic; the first that applies is given:
RequestIdReused, RequestExpired, AccountNotFound, AccountClosed, ReservationNotFound, ReservationReused, AccountFrozen,
ReservationExpired, ReservationEnded, CaptureBelowCaptured, CaptureExceedsReserved, AmountOutOfRange,
InsufficientCredits.
(A request id is known to its account only, so for an account that is not there AccountNotFound comes first.)
"""

from typing import ClassVar


class CommandRefusedError(Exception):
    """The base of all refusals; `fields` holds every number and id its message names."""

    reason: ClassVar[str]

    def __init__(self, **fields: int | str) -> None:
        self.fields = fields
        super().__init__((self.__doc__ or "").format(**fields))


class RequestIdReusedError(CommandRefusedError):
    """request id {request_id} was used on this account for a command with other content"""

    reason = "REQUEST_ID_REUSED"


class RequestExpiredError(CommandRefusedError):
    """the command's not_after {not_after} has passed; it was not applied and never will be"""

    reason = "REQUEST_EXPIRED"


class AccountNotFoundError(CommandRefusedError):
    """there is no account {account_id}"""

    reason = "ACCOUNT_NOT_FOUND"


class AccountClosedError(CommandRefusedError):
    """account {account_id} is closed"""

    reason = "ACCOUNT_CLOSED"


class AccountFrozenError(CommandRefusedError):
    """account {account_id} is frozen; nothing new may be reserved"""

    reason = "ACCOUNT_FROZEN"


class ReservationNotFoundError(CommandRefusedError):
    """account {account_id} has no reservation {reservation_id}"""

    reason = "RESERVATION_NOT_FOUND"


class ReservationReusedError(CommandRefusedError):
    """reservation {reservation_id} was made for {amount_micros} microcredits, not for {requested_micros}"""

    reason = "REQUEST_ID_REUSED"


class ReservationExpiredError(CommandRefusedError):
    """reservation {reservation_id} expired with {captured_micros} microcredits captured"""

    reason = "RESERVATION_EXPIRED"


class ReservationEndedError(CommandRefusedError):
    """reservation {reservation_id} ended as {state} with {captured_micros} microcredits captured"""

    reason = "RESERVATION_ENDED"


class CaptureBelowCapturedError(CommandRefusedError):
    """captured_total_micros {requested_micros} is below the {captured_micros} that are captured already"""

    reason = "REQUEST_INVALID"


class CaptureExceedsReservedError(CommandRefusedError):
    """capturing {requested_micros} microcredits more, but only {reserved_micros} are reserved"""

    reason = "CAPTURE_EXCEEDS_RESERVED"


class AmountOutOfRangeError(CommandRefusedError):
    """the account's total would exceed {limit_micros} microcredits"""

    reason = "REQUEST_INVALID"


class InsufficientCreditsError(CommandRefusedError):
    """{required_micros} microcredits are required; {available_micros} are available and {reserved_micros} reserved"""

    reason = "INSUFFICIENT_CREDITS"
