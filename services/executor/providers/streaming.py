"""An answer that comes as a stream of events: its text is passed on and metered piece by piece."""

import contextlib
from dataclasses import replace
from typing import Any

from services.executor.providers import errors
from services.executor.providers.answers import ProviderCall
from services.executor.providers.client import Client, Incoming, NoAnswerError, TooLargeError
from services.executor.providers.health import Visit
from services.executor.providers.metering import Meter
from services.executor.providers.plan import StreamPlan
from services.executor.providers.requests import Request
from services.executor.providers.responses import Response, Streamed
from services.executor.providers.streams import EventReader, UnreadableError
from services.runtime.expressions import evaluate

LIMIT = "limit"


class StreamCutError(Exception):
    """The stream ended before its end; the text says how, for the caller. `detail` is for the log, `response` what
    came."""

    def __init__(self, message: str, detail: str, response: Response) -> None:
        super().__init__(message)
        self.detail = detail
        self.response = response


class _FailedError(Exception):
    """The provider says in the stream that it failed; the text is what it says."""


async def received(client: Client, request: Request, call: ProviderCall, plan: StreamPlan) -> Response:
    """The whole answer once it has ended or all that is reserved is used up; an error is no stream.

    Raises NotSentError, NoAnswerError where nothing has come that cannot come again, StreamCutError.
    """
    async with client.opened(request) as incoming:
        if not incoming.head.is_success:
            return await incoming.whole()
        reading = _Reading(plan, call.meter, call.visit)
        try:
            stopped = await reading.read(incoming, call.plan.response.read)
        except (NoAnswerError, UnreadableError, TooLargeError) as error:
            if call.may_repeat and not call.meter.has_said:
                raise NoAnswerError(str(error)) from error
            message = "the provider's answer was cut off"
            raise StreamCutError(message, str(error), reading.response(incoming.head)) from error
        except _FailedError as error:
            message = f"the provider failed while it answered: {error}"
            raise StreamCutError(message, str(error), reading.response(incoming.head)) from error
        return reading.response(incoming.head, stopped)


class _Reading:
    """The events of one answer."""

    def __init__(self, plan: StreamPlan, meter: Meter, visit: Visit) -> None:
        self._plan = plan
        self._meter = meter
        self._visit = visit
        self._is_done = False
        self._events: list[Any] = []

    def response(self, head: Response, stopped: str | None = None) -> Response:
        """What came so far."""
        return replace(head, streamed=Streamed(self._events, self._meter.text.after(0), stopped))

    async def read(self, incoming: Incoming, read: str) -> str | None:
        """Reads until the end, or until all is used up; answers why it stopped before the end."""
        reader = EventReader(read)
        try:
            async with contextlib.aclosing(incoming.pieces()) as pieces:
                async for piece in pieces:
                    for event in reader.feed(piece):
                        self._take(event)
                        if self._meter.is_full() and not self._is_done:
                            return LIMIT
            for event in reader.end():
                self._take(event)
        except (NoAnswerError, UnreadableError, TooLargeError):
            # What follows the end of the text says nothing that is not known otherwise.
            if not self._is_done:
                raise
        if not self._is_done:
            raise UnreadableError("the stream lacks its end")
        return None

    def _take(self, event: Any) -> None:
        self._events.append(event)
        plan = self._plan
        if plan.failed and evaluate(plan.failed, event):
            raise _FailedError(errors.said_by({"body": event}) or "it does not say why")
        text = evaluate(plan.text, event)
        if isinstance(text, str):
            # Half a surrogate pair is no text.
            self._meter.put(text.encode(errors="replace").decode())
            if self._meter.has_said:
                self._visit.speaks()
        for part, expression in plan.usage.items():
            units = evaluate(expression, event) if expression else None
            if isinstance(units, int) and not isinstance(units, bool) and 0 <= units < 2**53:
                self._meter.say(part, units)
        self._is_done = self._is_done or bool(evaluate(plan.done, event))
