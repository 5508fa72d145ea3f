"""Why a well-formed command is refused. A class's docstring is its message, filled with its numbers.

Precedence, so that an answer is deterministic; the first that applies is given:
RequestIdReused, RequestExpired, AccountNotFound, AccountExists, TransferRejected, AccountClosed,
ReservationNotFound, ReservationReused, GrantNotFound, TransferNotFound, AccountFrozen,
ReservationExpired, ReservationEnded, GrantEnded, CaptureBelowCaptured, CaptureExceedsReserved, RefundExceedsCaptured,
CreditLimitBelowUsed, AccountNotEmpty, ExpiryPassed, TooManyGrants, AmountOutOfRange, InsufficientCredits.
(A request id is known to its account only, so for an account that is not there RequestExpired, then AccountNotFound
come first. Nothing is open on a closed account: extending, capturing and releasing tell how the reservation ended.)
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


class AccountExistsError(CommandRefusedError):
    """account {account_id} is open with a credit limit of {credit_limit_micros}, not {requested_micros}"""

    reason = "ACCOUNT_EXISTS"


class AccountClosedError(CommandRefusedError):
    """account {account_id} is closed"""

    reason = "ACCOUNT_CLOSED"


class ReservationNotFoundError(CommandRefusedError):
    """account {account_id} has no reservation {reservation_id}"""

    reason = "RESERVATION_NOT_FOUND"


class ReservationReusedError(CommandRefusedError):
    """reservation {reservation_id} was made for {amount_micros} microcredits, not for {requested_micros}"""

    reason = "REQUEST_ID_REUSED"


class GrantNotFoundError(CommandRefusedError):
    """account {account_id} has no grant {grant_id}"""

    reason = "GRANT_NOT_FOUND"


class TransferNotFoundError(CommandRefusedError):
    """account {account_id} has no transfer {transfer_id} under way"""

    reason = "TRANSFER_NOT_FOUND"


class TransferRejectedError(CommandRefusedError):
    """account {account_id} has no room for transfer {transfer_id}"""

    reason = "TRANSFER_REJECTED"


class AccountFrozenError(CommandRefusedError):
    """account {account_id} is frozen; nothing new may be reserved or sent"""

    reason = "ACCOUNT_FROZEN"


class ReservationExpiredError(CommandRefusedError):
    """reservation {reservation_id} expired with {captured_micros} microcredits captured"""

    reason = "RESERVATION_EXPIRED"


class ReservationEndedError(CommandRefusedError):
    """reservation {reservation_id} ended as {state} with {captured_micros} microcredits captured"""

    reason = "RESERVATION_ENDED"


class GrantEndedError(CommandRefusedError):
    """grant {grant_id} is {state}; nothing is left to void"""

    reason = "GRANT_ENDED"


class CaptureBelowCapturedError(CommandRefusedError):
    """captured_total_micros {requested_micros} is below the {captured_micros} that are captured already"""

    reason = "REQUEST_INVALID"


class CaptureExceedsReservedError(CommandRefusedError):
    """capturing {requested_micros} microcredits more, but only {reserved_micros} are reserved"""

    reason = "CAPTURE_EXCEEDS_RESERVED"


class RefundExceedsCapturedError(CommandRefusedError):
    """refunding {requested_micros} microcredits; {captured_micros} were captured, {refunded_micros} of them refunded"""

    reason = "REFUND_EXCEEDS_CAPTURED"


class CreditLimitBelowUsedError(CommandRefusedError):
    """a credit limit of {requested_micros} is below the {used_micros} microcredits that are on credit now"""

    reason = "CREDIT_LIMIT_BELOW_USED"


class AccountNotEmptyError(CommandRefusedError):
    """account {account_id} is not empty: {available_micros} available, {scheduled_micros} scheduled,
    {reserved_micros} reserved, {owed_micros} owed, {transit_micros} in transit"""

    reason = "ACCOUNT_NOT_EMPTY"


class ExpiryPassedError(CommandRefusedError):
    """{field}: must lie ahead; {expires_at} has passed, it is {now}"""

    reason = "REQUEST_INVALID"


class TooManyGrantsError(CommandRefusedError):
    """account {account_id} has {grants} grants that can still be used, at most {limit} are allowed"""

    reason = "TOO_MANY_GRANTS"


class AmountOutOfRangeError(CommandRefusedError):
    """the account's total would exceed {limit_micros} microcredits"""

    reason = "REQUEST_INVALID"


class InsufficientCreditsError(CommandRefusedError):
    """{required_micros} microcredits are required; {available_micros} are available and {reserved_micros} reserved"""

    reason = "INSUFFICIENT_CREDITS"


class BatchTooLargeError(CommandRefusedError):
    """the commands of an atomic batch make more than {limit_bytes} bytes of events, which is what a commit holds"""

    reason = "REQUEST_INVALID"


class BatchRefusedError(CommandRefusedError):
    """command {index} of this atomic batch was refused, so none was applied"""

    reason = "BATCH_REFUSED"


class ReservationNotOpenError(CommandRefusedError):
    """reservation {reservation_id} of account {account_id} is not open"""

    # For the shell, not for callers: memory holds open reservations only, the entries tell what became of this one.
    reason = "RESERVATION_ENDED"
