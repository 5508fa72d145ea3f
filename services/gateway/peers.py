"""The services behind the gateway: a channel and a stub each, kept for the life of the process."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from scrip.catalog.v1 import catalog_pb2_grpc
from scrip.executor.v1 import executor_pb2_grpc

from scrip_client import LedgerClient, LedgerRefusal, LedgerUnavailable
from services.gateway.settings import Settings
from services.runtime import tracing
from services.runtime.errors import Refusal, Violation, unavailable
from services.runtime.grpc_client import Peer

if TYPE_CHECKING:
    from scrip.catalog.v1.catalog_pb2_grpc import CatalogServiceAsyncStub
    from scrip.executor.v1.executor_pb2_grpc import ExecutorServiceAsyncStub

Request = TypeVar("Request")
Response = TypeVar("Response")


class Catalog:
    """The catalog."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.stub: CatalogServiceAsyncStub = catalog_pb2_grpc.CatalogServiceStub(peer.channel)


class Ledger:
    """The ledger, all its replicas."""

    def __init__(self, client: LedgerClient) -> None:
        self.client = client

    async def call(
        self, method: Callable[[Request, float], Awaitable[Response]], request: Request, timeout: float
    ) -> Response:
        """What a method of the client answers within `timeout` seconds; raises Refusal."""
        try:
            return await method(request, timeout)
        except LedgerUnavailable as error:
            raise unavailable("ledger") from error
        except LedgerRefusal as error:
            raise _refusal(error) from error


class Executor:
    """The executor."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.stub: ExecutorServiceAsyncStub = executor_pb2_grpc.ExecutorServiceStub(peer.channel)


@dataclass(frozen=True, slots=True)
class Peers:
    """All of them. The analytics service is only asked how it is."""

    catalog: Catalog
    ledger: Ledger
    executor: Executor
    analytics: Peer


@contextlib.asynccontextmanager
async def connect(settings: Settings) -> AsyncIterator[Peers]:
    """The channels while the body runs; they connect when first used, and again when they broke."""
    async with contextlib.AsyncExitStack() as stack:
        ledger = LedgerClient(settings.ledger_address, settings.service_token, metadata=tracing.metadata)
        stack.push_async_callback(ledger.close)

        def peer(name: str, address: str) -> Peer:
            made = Peer(name, address, settings.service_token)
            stack.push_async_callback(made.close)
            return made

        yield Peers(
            Catalog(peer("catalog", settings.catalog_address)),
            Ledger(ledger),
            Executor(peer("executor", settings.executor_address)),
            peer("analytics", settings.analytics_address),
        )


# What the ledger's fields are called over HTTP.
_FIELDS = {"amount_micros": "credits", "credit_limit_micros": "credit_limit", "at_position": "position"}


def _refusal(refusal: LedgerRefusal) -> Refusal:
    """What the ledger refused, to our own caller; what it says of itself or of us is not for him."""
    reason, message = refusal.reason, refusal.message
    if reason in ("INTERNAL", "UNAUTHENTICATED", refusal.code.name):
        return Refusal("INTERNAL", "ledger failed", {"peer": "ledger"})
    said = refusal.metadata.get("field")
    if not said:
        return Refusal(reason, message, refusal.metadata, code=refusal.code)
    field, text = _FIELDS.get(said, said), message.removeprefix(f"{said}: ")
    return Refusal(
        reason, f"{field}: {text}", refusal.metadata | {"field": field}, [Violation(field, text)], refusal.code
    )


class Attempts:
    """Counts how often a call was sent. After more than one, `replayed` in its answer may speak of our own first."""

    def __init__(self) -> None:
        self._sent = 0

    def of(self, method: Callable[..., Awaitable[Response]]) -> Callable[..., Awaitable[Response]]:
        """The method, counted."""

        def counted(*arguments: Any, **options: Any) -> Awaitable[Response]:
            self._sent += 1
            return method(*arguments, **options)

        return counted

    @property
    def doubtful(self) -> bool:
        """Whether the call was sent more than once."""
        return self._sent > 1
