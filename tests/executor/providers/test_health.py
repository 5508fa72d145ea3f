"""Places at providers, and what is learned there of how they do."""

import asyncio
from collections.abc import Awaitable
from types import SimpleNamespace

import pytest

from services.executor.providers import circuit, health
from services.executor.providers.client import NoAnswerError, NotSentError
from services.executor.providers.health import CALLS_MAX, Health, Hindrance, Visit
from services.executor.providers.responses import Response

DEEPL, OPENAI = "api.deepl.com", "api.openai.com"


class Time:
    """A clock that stands still unless it is told."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        """Seconds."""
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    """What the circuits see."""
    time = Time()
    monkeypatch.setattr(health, "clock", SimpleNamespace(monotonic=time.monotonic))
    return time


def visit(tried: Health, host: str = DEEPL, resumes: bool = False) -> Visit:
    found = tried.visit(host, resumes)
    assert isinstance(found, Visit), found
    return found


async def says(answer: int | Exception) -> Response:
    if isinstance(answer, Exception):
        raise answer
    return Response(answer, {}, b"{}")


async def asked(tried: Health, *answers: int | Exception) -> None:
    """Calls one after the other, each with such an answer."""
    for answer in answers:
        there = visit(tried)
        try:
            await there.ask(says(answer))
        except (NotSentError, NoAnswerError):
            pass
        finally:
            there.leave()


async def test_each_provider_has_its_places(time: Time) -> None:
    """And all of them together have theirs; who was turned away is told of room."""
    tried, told = Health(16), []
    tried.tell(room=(lambda: told.append("room"),), turns=())
    first = [visit(tried) for _ in range(16)]
    assert tried.visit(DEEPL, resumes=False) is Hindrance.FULL
    others = [visit(tried, f"{n % 3}.example.com") for n in range(CALLS_MAX - 16)]
    assert tried.visit(OPENAI, resumes=True) is Hindrance.FULL
    others[0].leave()
    first[0].leave()
    assert told == ["room"]
    assert visit(tried)
    assert tried.calls == CALLS_MAX - 1


@pytest.mark.parametrize(
    ("answer", "is_down"),
    [
        (200, False), (400, False), (401, False), (429, False), (500, True), (503, True), (529, True),
        (NotSentError(), True), (NoAnswerError(), True),
    ],
)  # fmt: skip
async def test_a_provider_is_down_that_fails_again_and_again(
    time: Time, answer: int | Exception, is_down: bool
) -> None:
    """Not one that refuses what it is asked, and nobody else with it."""
    tried = Health(16)
    await asked(tried, *[answer] * circuit.FAILURES_IN_A_ROW)
    assert tried.is_down(DEEPL) == is_down
    assert (tried.visit(DEEPL, resumes=False) is Hindrance.DOWN) == is_down
    assert visit(tried, OPENAI)


async def test_one_asks_whether_it_is_back(time: Time) -> None:
    """If it ends without having asked, the next one does; when that is answered, all may."""
    tried, told = Health(16), []
    tried.tell(room=(), turns=(lambda: told.append(tried.is_down(DEEPL)),))
    await asked(tried, *[503] * circuit.FAILURES_IN_A_ROW)
    time.now += circuit.PAUSE_FIRST_SECONDS
    probe = visit(tried)
    assert tried.visit(DEEPL, resumes=False) is Hindrance.DOWN
    probe.leave()
    probe = visit(tried)
    await probe.ask(says(200))
    assert visit(tried)
    probe.leave()
    assert told == [True, False]


async def test_work_that_has_begun_is_looked_at_where_the_provider_is_down(time: Time) -> None:
    """Such a call is no probe, and how its looks go says nothing of whether new work is taken."""
    tried = Health(16)
    await asked(tried, *[503] * circuit.FAILURES_IN_A_ROW)
    there = visit(tried, resumes=True)
    await there.look(says(200))
    assert there.is_down
    time.now += circuit.PAUSE_FIRST_SECONDS
    for _ in range(20):
        with pytest.raises(NotSentError):
            await there.look(says(NotSentError()))
    assert not tried.is_down(DEEPL)


async def test_who_runs_out_of_time_while_asking_was_not_answered(time: Time) -> None:
    """While looking, it is the work that takes long."""

    async def cut_off(waiting: Awaitable[Response]) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await waiting

    tried = Health(16)
    for _ in range(circuit.FAILURES_IN_A_ROW):
        there = visit(tried)
        await there.ask(says(200))
        await cut_off(there.look(asyncio.Future()))
        there.ran_out_of_time()
        there.leave()
    assert not tried.is_down(DEEPL)
    for _ in range(circuit.FAILURES_IN_A_ROW):
        there = visit(tried)
        await cut_off(there.ask(asyncio.Future()))
        there.ran_out_of_time()
        there.leave()
    assert tried.is_down(DEEPL)


async def test_who_speaks_is_there_however_that_ends(time: Time) -> None:
    """A stream that is cut, or goes on beyond the time of its call, after its first words."""

    async def cut(there: Visit) -> Response:
        there.speaks()
        raise NoAnswerError("cut")

    tried = Health(10)
    for _ in range(circuit.FAILURES_IN_A_ROW + 1):
        there = visit(tried)
        with pytest.raises(NoAnswerError):
            await there.ask(cut(there))
        there.ran_out_of_time()
        there.leave()
    assert not tried.is_down(DEEPL)
    await asked(tried, *[NoAnswerError("silent")] * circuit.FAILURES_IN_A_ROW)
    assert tried.is_down(DEEPL)
