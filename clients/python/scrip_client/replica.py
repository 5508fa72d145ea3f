"""One replica of the ledger: its channel, its calls, and whether it is worth asking."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import grpc
from scrip.ledger.v1 import ledger_pb2, ledger_pb2_grpc

from scrip_client import errors

if TYPE_CHECKING:
    from scrip.ledger.v1.ledger_pb2_grpc import LedgerServiceAsyncStub

# Of one call, so that a replica which hangs holds up nobody for longer.
CALL_SECONDS = 2.0
# A replica that failed is left alone for so long, then for twice as long, up to the longest.
COOL_DOWN_SECONDS = 1.0
COOL_DOWN_SECONDS_MAX = 16.0
# Calls that one batch may be parted into.
PARTS_MAX = 64
MESSAGE_BYTES_MAX = 8 * 1024 * 1024

Metadata = Sequence[tuple[str, str]]

_METHOD = "/scrip.ledger.v1.LedgerService/BatchExecute"
_INDEPENDENT = ledger_pb2.BatchExecuteRequest(mode=ledger_pb2.BatchExecuteRequest.MODE_INDEPENDENT).SerializeToString()
# A call that fails with one of these may have choked on a single command.
_PARTED = frozenset(
    code.value[0] for code in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.INVALID_ARGUMENT)
)
_OPTIONS = [
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.enable_retries", 0),
]


class Executed(NamedTuple):
    """One result per command; `parted`: each was sent more than once."""

    results: Sequence[ledger_pb2.CommandResult]
    parted: bool


class Replica:
    """A channel that is kept; it connects when first used, and again when it broke."""

    def __init__(
        self,
        address: str,
        token: str,
        credentials: grpc.ChannelCredentials | None,
        metadata: Callable[[], Metadata],
    ) -> None:
        self.address = address
        self.channel = (
            grpc.aio.secure_channel(address, credentials, options=_OPTIONS)
            if credentials
            else grpc.aio.insecure_channel(address, options=_OPTIONS)
        )
        self._stub: LedgerServiceAsyncStub = ledger_pb2_grpc.LedgerServiceStub(self.channel)
        # Requests arrive serialized.
        self._batch_execute: Any = self.channel.unary_unary(
            _METHOD, response_deserializer=ledger_pb2.BatchExecuteResponse.FromString
        )
        self._authorization = ("authorization", f"Bearer {token}")
        self._metadata = metadata
        self._clock = asyncio.get_running_loop().time
        self._cool_down = 0.0
        self.try_at = 0.0
        """Loop time before which a replica that fails is left alone."""

    @property
    def is_failing(self) -> bool:
        """Whether the last call got no answer."""
        return self._cool_down > 0

    def is_open(self) -> bool:
        """Whether a command may go there. Once a cool-down is over and the channel is connected again, true for one
        command, whose answer opens the replica to all."""
        if not self.is_failing:
            return True
        if self._clock() < self.try_at:
            return False
        self.try_at = self._clock() + self._cool_down
        return self.channel.get_state(try_to_connect=True) is grpc.ChannelConnectivity.READY

    async def execute(self, commands: Sequence[bytes], deadline: float) -> Executed:
        """One result per command, none later than the loop time `deadline`; failures are results too.

        Each command is a serialized BatchExecuteRequest that holds just it. A call that fails as a whole, but not for
        an outage, is parted until what is at fault stands alone, so that one command which the ledger chokes on holds
        nobody else up.
        """
        results: list[ledger_pb2.CommandResult] = []
        parts = [commands]
        calls = 0
        while parts:
            part = parts.pop()
            calls += 1
            answered = await self._call(part, deadline)
            if not isinstance(answered, ledger_pb2.CommandError):
                results += answered
            elif len(part) > 1 and answered.code in _PARTED and calls + len(parts) + 2 <= PARTS_MAX:
                middle = len(part) // 2
                parts += [part[middle:], part[:middle]]
            else:
                results += [ledger_pb2.CommandResult(error=answered)] * len(part)
        return Executed(results, calls > 1)

    async def _call(
        self, commands: Sequence[bytes], deadline: float
    ) -> Sequence[ledger_pb2.CommandResult] | ledger_pb2.CommandError:
        timeout = min(CALL_SECONDS, deadline - self._clock())
        # Serialized messages that follow each other are one message with the elements of all.
        request = b"".join((*commands, _INDEPENDENT))
        try:
            response = await self._batch_execute(request, timeout=timeout, metadata=self._headers())
        except grpc.aio.AioRpcError as failure:
            return self._blamed(failure, hangs=timeout == CALL_SECONDS)
        self._cool_down = 0.0
        if len(response.results) != len(commands):
            message = f"{len(response.results)} results for {len(commands)} commands"
            return errors.failed(grpc.StatusCode.INTERNAL, "INTERNAL", message).error
        results: Sequence[ledger_pb2.CommandResult] = response.results
        return results

    async def read(self, method: str, request: Any, timeout: float) -> Any:
        """The response of a unary method, by its name, or a CommandError."""
        try:
            response = await getattr(self._stub, method)(request, timeout=timeout, metadata=self._headers())
        except grpc.aio.AioRpcError as failure:
            return self._blamed(failure, hangs=False)
        self._cool_down = 0.0
        return response

    async def close(self) -> None:
        """Lets the channel go."""
        await self.channel.close()

    def _headers(self) -> Metadata:
        return (self._authorization, *self._metadata())

    def _blamed(self, failure: grpc.aio.AioRpcError, hangs: bool) -> ledger_pb2.CommandError:
        """The error of a call, which may say something about the replica; `hangs`: so does a deadline that passed."""
        error = errors.error_of(failure)
        if error.code != errors.UNAVAILABLE:
            self._cool_down = 0.0
        elif hangs or failure.code() is grpc.StatusCode.UNAVAILABLE:
            self._cool_down = min(self._cool_down * 2 or COOL_DOWN_SECONDS, COOL_DOWN_SECONDS_MAX)
            self.try_at = self._clock() + self._cool_down
        return error
