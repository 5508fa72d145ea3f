"""How providers do, as this executor sees them: how many calls are under way, whether it pays to ask, and how often
again. A provider is a host here: that of a tool's request. One that is slow or down holds up no other.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum

from services.executor.providers import meters
from services.executor.providers.circuit import Circuit, State
from services.executor.providers.client import NoAnswerError, NotSentError
from services.executor.providers.responses import Response
from services.executor.providers.retry_budget import RetryBudget
from services.runtime import clock, logs

log = logs.get("providers")

# Calls under way over all providers: each may hold an answer in memory.
CALLS_MAX = 64
# A look that is not answered is given up, and made again.
LOOK_SECONDS = 60.0
# So that a pause is over when its end is told.
TIMER_SECONDS = 0.01


class ProviderDownError(Exception):
    """The provider is down and has done nothing: the job can wait for it."""


class Hindrance(StrEnum):
    """Why a call may not begin now."""

    FULL = "full"
    DOWN = "down"


class Visit:
    """One call's place at its provider, and what it finds there. `leave` ends it."""

    def __init__(self, provider: "Provider", is_probe: bool) -> None:
        self._provider = provider
        self._is_probe = is_probe
        self._is_asking = False

    @property
    def is_down(self) -> bool:
        """Whether the provider is found to be down by now."""
        return self._provider.circuit.state(clock.monotonic()) is not State.CLOSED

    async def ask(self, sending: Awaitable[Response]) -> Response:
        """The answer to a request for work; how that goes tells how the provider does."""
        self._is_asking = True
        try:
            response = await self._measured("ask", sending)
        except (NotSentError, NoAnswerError):
            self._judge(succeeded=False)
            raise
        # Whatever else it says, it is there.
        self._judge(succeeded=response.status < 500)
        return response

    def speaks(self) -> None:
        """A streamed answer has its first words: however that ends, the provider is there."""
        self._judge(succeeded=True)

    async def look(self, sending: Awaitable[Response]) -> Response:
        """The answer to a request about work that has begun: that goes on however the provider does."""
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                return await self._measured("look", sending)
        except TimeoutError as error:
            raise NoAnswerError(f"{self._provider.host}: no answer within {LOOK_SECONDS:g} seconds") from error

    def may_ask_again(self) -> bool:
        """Takes a retry from the provider's budget, if there is one left."""
        if not self._provider.retries.spend():
            return False
        meters.RETRIES.labels(self._provider.host).inc()
        return True

    def ran_out_of_time(self) -> None:
        """The time of the call is over; if it was asking, the provider did not answer."""
        self._judge(succeeded=False)

    def leave(self) -> None:
        """The call is over."""
        if self._is_probe:
            self._provider.circuit.end_probe()
        self._provider.left()

    def _judge(self, succeeded: bool) -> None:
        """Each request for work is judged once."""
        if not self._is_asking:
            return
        self._is_asking = False
        is_probe, self._is_probe = self._is_probe, False
        self._provider.judge(succeeded, is_probe)

    async def _measured(self, kind: str, sending: Awaitable[Response]) -> Response:
        began = clock.monotonic()
        outcome = "cut_off"
        try:
            response = await sending
            outcome = f"{response.status // 100}xx"
            return response
        except NotSentError:
            outcome = "unreachable"
            raise
        except NoAnswerError:
            outcome = "unanswered"
            raise
        finally:
            meters.REQUESTS.labels(self._provider.host, kind, outcome).inc()
            meters.SECONDS.labels(self._provider.host, kind).observe(clock.monotonic() - began)


class Provider:
    """One host, as `Health` knows it."""

    def __init__(self, host: str, health: "Health") -> None:
        self.host = host
        self.circuit = Circuit()
        self.retries = RetryBudget()
        self.calls = 0
        """Under way."""
        self._health = health

    def visit(self, resumes: bool) -> Visit:
        """Takes a place. One that resumes work asks for nothing, and so is no probe."""
        is_probe = not resumes and self.circuit.state(clock.monotonic()) is State.HALF_OPEN
        if is_probe:
            self.circuit.begin_probe()
        if not resumes:
            self.retries.earn()
        self.calls += 1
        self._health.calls += 1
        return Visit(self, is_probe)

    def left(self) -> None:
        """Gives a place back."""
        self.calls -= 1
        self._health.calls -= 1
        self._health.has_room()

    def judge(self, succeeded: bool, is_probe: bool) -> None:
        """Takes note of how a request for work went."""
        now = clock.monotonic()
        before = self.circuit.state(now)
        (self.circuit.succeeded if succeeded else self.circuit.failed)(now, is_probe)
        after = self.circuit.state(now)
        if before is after:
            return
        log.warning("circuit", provider=self.host, state=after)
        self._turned()
        if after is State.OPEN:
            pause = self.circuit.seconds_closed_to_all(now) + TIMER_SECONDS
            asyncio.get_running_loop().call_later(pause, self._turned)

    def _turned(self) -> None:
        meters.CIRCUIT.labels(self.host).set(meters.CIRCUIT_LEVELS[self.circuit.state(clock.monotonic())])
        self._health.has_turned()


class Health:
    """One a process; `calls_max` is how many calls of one provider are under way at once."""

    def __init__(self, calls_max: int) -> None:
        self._calls_max = calls_max
        self._providers: dict[str, Provider] = {}
        self.calls = 0
        """Under way."""
        self._turned_away = False
        self._for_room: Sequence[Callable[[], None]] = ()
        self._for_turns: Sequence[Callable[[], None]] = ()

    def tell(self, room: Sequence[Callable[[], None]], turns: Sequence[Callable[[], None]]) -> None:
        """Whom to tell when there is a place after there was none, and when a provider goes down or may be back."""
        self._for_room, self._for_turns = room, turns

    def hindrance(self, host: str) -> Hindrance | None:
        """What keeps a call from beginning."""
        provider = self._of(host)
        if provider.calls >= self._calls_max or self.calls >= CALLS_MAX:
            self._turned_away = True
            return Hindrance.FULL
        return None if provider.circuit.admits(clock.monotonic()) else Hindrance.DOWN

    def is_down(self, host: str) -> bool:
        """Whether nobody may ask, for a while."""
        return self._of(host).circuit.state(clock.monotonic()) is State.OPEN

    def visit(self, host: str, resumes: bool) -> Visit | Hindrance:
        """A place for a call, or why there is none; what has begun is looked at also where the provider is down."""
        hindrance = self.hindrance(host)
        if hindrance is Hindrance.FULL or (hindrance and not resumes):
            return hindrance
        return self._of(host).visit(resumes)

    def has_room(self) -> None:
        """A call is over."""
        if self._turned_away:
            self._turned_away = False
            for tell in self._for_room:
                tell()

    def has_turned(self) -> None:
        """A provider's circuit is another than before."""
        for tell in self._for_turns:
            tell()

    def _of(self, host: str) -> Provider:
        if host not in self._providers:
            self._providers[host] = Provider(host, self)
        return self._providers[host]


def alone() -> Visit:
    """Of a call that is made by itself."""
    return Provider("", Health(1)).visit(resumes=False)
