"""One call of a provider: asked, waited for where it takes its time, read, and told as the answer of a tool.

The request for the work is sent again only where that cannot be a second work: it never left, the provider says that it
did nothing, or the tool may be called twice. Once there is work, looking at it and fetching what it made goes on until
the call's time is over. Whatever is said to the caller is passed through the mask of secrets.
"""

import asyncio
import contextlib
import itertools
import math
import random
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from services.executor.providers import errors, streaming
from services.executor.providers.answers import ProviderCall, failed, output_of, told
from services.executor.providers.client import Client, NoAnswerError, NotSentError, TooLargeError
from services.executor.providers.errors import Failure
from services.executor.providers.files import File
from services.executor.providers.hosts import ForbiddenHostError, check_host, host_of
from services.executor.providers.plan import HttpPlan, PollPlan, RequestPlan
from services.executor.providers.requests import Request, rendered, signed
from services.executor.providers.responses import Response, body_of
from services.executor.providers.secrets import MissingSecretError, Secrets, mask
from services.executor.providers.streaming import StreamCutError
from services.executor.providers.streams import UnreadableError
from services.executor.worker import Answer, ToolAnswer
from services.runtime.expressions import ExpressionError, evaluate

SENDS_MAX = 3
BACKOFF_SECONDS = 0.5
RETRY_AFTER_SECONDS_MAX = 30.0
# Polls grow rarer up to this, so that an hour's work is not asked for every second.
POLL_SECONDS_MAX = 15.0
POLL_GROWTH = 1.2
REQUEST_ID_CHARACTERS_MAX = 200


class _Ended(Exception):
    """The call has an answer that is no output."""

    def __init__(self, answer: ToolAnswer) -> None:
        super().__init__(answer.reason)
        self.answer = answer


class Providers:
    """Calls providers."""

    def __init__(self, client: Client, secrets: Secrets) -> None:
        self._client = client
        self._secrets = secrets

    async def run(self, call: ProviderCall) -> ToolAnswer:
        """The answer of one call; raises NoAnswerError where nobody knows whether the work was done."""
        auth = call.plan.auth
        try:
            secret = self._secrets.get(auth.secret) if auth else ""
        except MissingSecretError as error:
            return failed("SECRET_MISSING", "the provider cannot be called here", f"secret {error.name} is missing")
        conversation = _Conversation(self._client, call, secret)
        try:
            answer = await conversation.answer()
        except _Ended as ended:
            answer = ended.answer
        except NotSentError as error:
            answer = failed("PROVIDER_UNAVAILABLE", "the provider cannot be reached", str(error))
        except (UnreadableError, TooLargeError, ForbiddenHostError) as error:
            answer = failed("PROVIDER_ANSWER_UNREADABLE", str(error), str(error))
        except ExpressionError as error:
            answer = failed("PROVIDER_ANSWER_UNREADABLE", "the provider's answer does not fit the tool", str(error))
        except StreamCutError as error:
            answer = failed("STREAM_CUT", str(error), error.detail)
        if call.plan.response.stream and answer.answer is not Answer.OUTPUT:
            # Not the units of the quote.
            answer = replace(answer, units=call.meter.units())
        return replace(
            answer,
            message=mask(answer.message, secret),
            detail=mask(answer.detail, secret),
            provider_request_id=mask(conversation.request_id, secret)[:REQUEST_ID_CHARACTERS_MAX],
            provider_status=conversation.status,
        )


class _Conversation:
    """The requests of one call. `_context` is what expressions and templates see: the input, and the last answer."""

    def __init__(self, client: Client, call: ProviderCall, secret: str) -> None:
        self._client = client
        self._call = call
        self._plan = call.plan
        self._secret = secret
        self._context: dict[str, Any] = {"input": {**call.input, **call.files}, "files": {}}
        self.status = 0
        self.request_id = ""

    async def answer(self) -> ToolAnswer:
        """Asks, waits, reads."""
        plan, context = self._plan, self._context
        if plan.upload:
            await self._upload(plan.upload)
        # While work is under way elsewhere its answers are JSON; only the last one is what the manifest says.
        await self._ask(plan.request, "json" if plan.poll else plan.response.read, self._call.may_repeat)
        if plan.poll:
            context["submitted"] = context["body"]
            await self._wait(plan.poll)
            if plan.result:
                await self._look(plan.result, plan.response.read)
        self._check_content()
        for name, expression in plan.response.fetch.items():
            context["files"][name] = await self._downloaded(name, evaluate(expression, context))
        return output_of(self._call, context)

    async def _upload(self, plan: RequestPlan) -> None:
        """Hands over what the request for the work refers to. Whatever becomes of it, no work was done."""
        try:
            await self._ask(plan, "json", may_repeat=True)
        except NoAnswerError as error:
            raise NotSentError(str(error)) from error
        self._context["uploaded"] = self._context["body"]

    async def _ask(self, plan: RequestPlan, read: str, may_repeat: bool) -> None:
        """Asks for the work, again where that cannot be a second work; the answer is in the context then."""
        try:
            request = signed(rendered(plan, self._context), self._plan.auth, self._secret)
        except ExpressionError as error:
            raise _Ended(failed("TOOL_FAILED", "the tool cannot ask its provider for this", str(error))) from error
        for count in range(1, SENDS_MAX + 1):
            is_last = count == SENDS_MAX
            pause = _backoff(count)
            try:
                response = await self._received(request)
            except NotSentError:
                if is_last:
                    raise
            except NoAnswerError:
                if is_last or not may_repeat:
                    raise
            else:
                failure = self._read(response, read)
                if failure is None:
                    return
                if is_last or failure.means != "retry" or not (may_repeat or failure.nothing_done):
                    raise _Ended(told(failure, response.status))
                pause = _retry_after(response, count)
            await asyncio.sleep(pause)

    async def _received(self, request: Request) -> Response:
        stream = self._plan.response.stream
        if stream is None:
            return await self._client.send(request)
        try:
            return await streaming.received(self._client, request, self._call, stream)
        except StreamCutError as cut:
            self._read(cut.response, self._plan.response.read)
            raise

    async def _look(self, plan: RequestPlan, read: str) -> None:
        """Asks about work that is under way, or for its result. The provider bills it, so what may be over later is
        waited out, as long as the call may take."""
        request = rendered(plan, self._context)
        # The provider may have given the URL, and the secret goes with it.
        check_host(request.url, _hosts(self._plan))
        request = signed(request, self._plan.auth, self._secret)
        for count in itertools.count(1):
            pause = _backoff(count)
            try:
                response = await self._client.send(request)
            except (NotSentError, NoAnswerError):
                pass
            else:
                failure = self._read(response, read)
                if failure is None:
                    return
                if failure.means != "retry":
                    raise _Ended(told(failure, response.status))
                pause = _retry_after(response, count)
            await asyncio.sleep(pause)

    def _read(self, response: Response, read: str) -> Failure | None:
        """Takes an answer into the context; answers what went wrong, where it says so."""
        self.status = response.status
        self._context |= {
            "status": response.status,
            "headers": dict(response.headers),
            "body": body_of(response, read),
        }
        if response.streamed:
            self._context |= {"text": response.streamed.text, "stopped": response.streamed.stopped}
        if self._plan.request_id:
            self.request_id = str(evaluate(self._plan.request_id, self._context) or self.request_id)
        return errors.failure_of(response.status, self._context, self._plan.errors)

    async def _wait(self, poll: PollPlan) -> None:
        """Asks until the work is done; the call's own time limit ends the wait. Asking does nothing twice."""
        pause = poll.every_ms / 1000
        while True:
            state = evaluate(poll.status, self._context)
            if state in poll.done:
                # A result that is asked for apart takes the place of the body.
                self._context["polled"] = self._context["body"]
                return
            for states, means in ((poll.refused, "refused"), (poll.failed, "failed")):
                if state in states:
                    raise _Ended(told(Failure(means, self._said(poll.message)), self.status))
            await asyncio.sleep(pause)
            pause = max(min(pause * POLL_GROWTH, POLL_SECONDS_MAX), poll.every_ms / 1000)
            await self._look(poll.request, "json")

    def _check_content(self) -> None:
        """Some providers say with success that they did nothing."""
        response = self._plan.response
        for expression, means in ((response.refused, "refused"), (response.failed, "failed")):
            if expression and evaluate(expression, self._context):
                raise _Ended(told(Failure(means, self._said(response.message)), self.status))

    def _said(self, expression: str) -> str:
        said = evaluate(expression, self._context) if expression else None
        return said if isinstance(said, str) else errors.said_by(self._context)

    async def _downloaded(self, name: str, found: Any) -> File | list[File]:
        """The files that the answer names; no secret goes with asking for them."""
        files = [await self._file(url, name) for url in (found if isinstance(found, list) else [found]) if url]
        if not files:
            raise UnreadableError(f"the answer names no file where {name} should be")
        return files if isinstance(found, list) else files[0]

    async def _file(self, url: Any, name: str) -> File:
        """It is made and billed: whatever may be over later is waited out here too."""
        if not isinstance(url, str):
            raise UnreadableError(f"the answer has no URL where {name} should be")
        check_host(url, _hosts(self._plan))
        for count in itertools.count(1):
            with contextlib.suppress(NoAnswerError, NotSentError):
                response = await self._client.fetch(url)
                if response.status == HTTPStatus.OK:
                    return File(response.content, response.media_type or "application/octet-stream", name)
                if not errors.is_transient(response.status):
                    raise UnreadableError(f"the file that the provider made answers with status {response.status}")
            await asyncio.sleep(_backoff(count))
        raise AssertionError("it counts for ever")


def _hosts(plan: HttpPlan) -> tuple[str, ...]:
    return (*plan.hosts, host_of(plan.request.url.partition("${")[0]))


def _backoff(count: int) -> float:
    return min(BACKOFF_SECONDS * float(2 ** min(count - 1, 10)), POLL_SECONDS_MAX) * (0.5 + random.random())  # noqa: S311 (spreads callers)


def _retry_after(response: Response, count: int) -> float:
    """Seconds as the provider wants them, within bounds; else our own."""
    millis = response.headers.get("retry-after-ms", "")
    seconds = response.headers.get("retry-after", "")
    try:
        wanted = float(millis) / 1000 if millis else float(seconds)
    except ValueError:
        return _backoff(count)
    return min(max(wanted, 0.0), RETRY_AFTER_SECONDS_MAX) if math.isfinite(wanted) else _backoff(count)
