"""One call of a provider: asked, waited for where it takes its time, read, and told as the answer of a tool.

Within a call a request is sent again only where that cannot be a second work: it never left, the provider says that it
did nothing, or the tool may be called twice. Whatever is said to the caller is passed through the mask of secrets.
"""

import asyncio
import json
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from services.executor.providers import errors
from services.executor.providers.client import Client, NoAnswerError, NotSentError, TooLargeError
from services.executor.providers.errors import Failure
from services.executor.providers.files import File, plain
from services.executor.providers.hosts import ForbiddenHostError, check_host, host_of
from services.executor.providers.plan import HttpPlan, PollPlan, RequestPlan
from services.executor.providers.requests import rendered, signed
from services.executor.providers.responses import Response, UnreadableError, body_of
from services.executor.providers.secrets import MissingSecretError, Secrets, mask
from services.executor.worker import OUTPUT_BYTES_MAX, Answer, ToolAnswer
from services.runtime import templates
from services.runtime.expressions import ExpressionError, evaluate
from services.runtime.templates import ABSENT

SENDS_MAX = 3
BACKOFF_SECONDS = 0.5
RETRY_AFTER_SECONDS_MAX = 30.0
# Polls grow rarer up to this, so that an hour's work is not asked for every second.
POLL_SECONDS_MAX = 15.0
POLL_GROWTH = 1.2
REQUEST_ID_CHARACTERS_MAX = 200


@dataclass(frozen=True, slots=True)
class ProviderCall:
    """What a call is about."""

    plan: HttpPlan
    input: Mapping[str, Any]
    files: Mapping[str, File]
    may_repeat: bool
    """Whether a call that may have happened may happen again."""
    units: Mapping[str, str]
    """By unit: expression for how many were used."""
    misfit: Callable[[Any], str] = lambda _output: ""
    """What in an output is not as the tool's schema says; empty: nothing."""


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
            return _failed("SECRET_MISSING", "the provider cannot be called here", f"secret {error.name} is missing")
        conversation = _Conversation(self._client, call, secret)
        try:
            answer = await conversation.answer()
        except _Ended as ended:
            answer = ended.answer
        except NotSentError as error:
            answer = _failed("PROVIDER_UNAVAILABLE", "the provider cannot be reached", str(error))
        except (UnreadableError, TooLargeError, ForbiddenHostError) as error:
            answer = _failed("PROVIDER_ANSWER_UNREADABLE", str(error), str(error))
        except ExpressionError as error:
            answer = _failed("PROVIDER_ANSWER_UNREADABLE", "the provider's answer does not fit the tool", str(error))
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
        # While work is under way elsewhere its answers are JSON; only the last one is what the manifest says.
        await self._exchange(plan.request, "json" if plan.poll else plan.response.read, self._call.may_repeat)
        if plan.poll:
            context["submitted"] = context["body"]
            await self._wait(plan.poll)
            if plan.result:
                await self._exchange(plan.result, plan.response.read, may_repeat=True)
        self._check_content()
        for name, expression in plan.response.fetch.items():
            context["files"][name] = await self._downloaded(name, evaluate(expression, context))
        return _output(self._call, context)

    async def _exchange(self, plan: RequestPlan, read: str, may_repeat: bool) -> None:
        """Sends a request, again where that can do no harm; its answer is in the context then."""
        request = rendered(plan, self._context)
        if plan is not self._plan.request:
            # The provider may have given the URL, and the secret goes with it.
            check_host(request.url, _hosts(self._plan))
        request = signed(request, self._plan.auth, self._secret)
        for count in range(1, SENDS_MAX + 1):
            is_last = count == SENDS_MAX
            pause = _backoff(count)
            try:
                response = await self._client.send(request)
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
                if is_last or failure.means != "retry" or not (failure.nothing_done or may_repeat):
                    raise _Ended(_told(failure, response.status))
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
                    raise _Ended(_told(Failure(means, self._said(poll.message)), self.status))
            await asyncio.sleep(pause)
            pause = max(min(pause * POLL_GROWTH, POLL_SECONDS_MAX), poll.every_ms / 1000)
            await self._exchange(poll.request, "json", may_repeat=True)

    def _check_content(self) -> None:
        """Some providers say with success that they did nothing."""
        response = self._plan.response
        for expression, means in ((response.refused, "refused"), (response.failed, "failed")):
            if expression and evaluate(expression, self._context):
                raise _Ended(_told(Failure(means, self._said(response.message)), self.status))

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
        if not isinstance(url, str):
            raise UnreadableError(f"the answer has no URL where {name} should be")
        check_host(url, _hosts(self._plan))
        for count in range(1, SENDS_MAX + 1):
            try:
                response = await self._client.fetch(url)
            except (NoAnswerError, NotSentError) as error:
                if count == SENDS_MAX:
                    raise UnreadableError("the file that the provider made could not be downloaded") from error
            else:
                if response.status == HTTPStatus.OK:
                    return File(response.content, response.media_type or "application/octet-stream", name)
                if count == SENDS_MAX or response.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                    raise UnreadableError(f"the file that the provider made answers with status {response.status}")
            await asyncio.sleep(_backoff(count))
        raise AssertionError("the loop ends by itself")


def _hosts(plan: HttpPlan) -> tuple[str, ...]:
    return (*plan.hosts, host_of(plan.request.url.partition("${")[0]))


def _output(call: ProviderCall, context: dict[str, Any]) -> ToolAnswer:
    output = templates.render(call.plan.response.output, context)
    if output is ABSENT or not isinstance(output, dict):
        raise UnreadableError("the provider's answer has no output")
    output = plain(output, "data_url")
    if problem := call.misfit(output):
        raise UnreadableError(f"the provider's answer does not fit the tool: {problem}")
    encoded = json.dumps(output, ensure_ascii=False, separators=(",", ":")).encode()
    if len(encoded) > OUTPUT_BYTES_MAX:
        message = f"the output has {len(encoded):,} bytes; at most {OUTPUT_BYTES_MAX:,} can be handed out"
        return ToolAnswer(Answer.TOO_LARGE, message=message)
    context["output"] = output
    return ToolAnswer(Answer.OUTPUT, encoded, units=_units(call.units, context))


def _units(measures: Mapping[str, str], context: Mapping[str, Any]) -> int | None:
    """What the provider says was used, begun units whole; None where nothing is measured."""
    used = 0
    for unit, expression in measures.items():
        found = evaluate(expression, context)
        if isinstance(found, str):
            try:
                found = float(found)
            except ValueError:
                found = None
        if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found < 2**53:
            raise UnreadableError(f"the provider did not say how many {unit}s it used")
        used += math.ceil(found)
    return used if measures else None


def _told(failure: Failure, status: int) -> ToolAnswer:
    said = f": {failure.message}" if failure.message else ""
    detail = f"status {status}{said}"
    match failure.means:
        case "input":
            return ToolAnswer(Answer.REJECTED, message=f"the provider does not take this input{said}")
        case "refused":
            message = f"the provider refused this content{said}"
            return ToolAnswer(Answer.REFUSED, message=message)
        case "quota":
            # Ours, not the caller's: what the provider says of it is for the log.
            return _failed("PROVIDER_QUOTA", "the provider takes no more calls from here for now", detail)
        case "key":
            return _failed("PROVIDER_KEY", "the provider does not accept the key it is called with", detail)
        case "retry":
            return _failed("PROVIDER_UNAVAILABLE", "the provider is busy or down; try again later", detail)
        case _:
            return _failed("PROVIDER_FAILED", f"the provider failed on this{said}", detail)


def _failed(reason: str, message: str, detail: str) -> ToolAnswer:
    return ToolAnswer(Answer.FAILED, reason=reason, message=message, detail=detail)


def _backoff(count: int) -> float:
    return BACKOFF_SECONDS * float(2 ** (count - 1)) * (0.5 + random.random())  # noqa: S311 (spreads callers)


def _retry_after(response: Response, count: int) -> float:
    """Seconds as the provider wants them, within bounds; else our own."""
    millis = response.headers.get("retry-after-ms", "")
    seconds = response.headers.get("retry-after", "")
    try:
        wanted = float(millis) / 1000 if millis else float(seconds)
    except ValueError:
        return _backoff(count)
    return min(max(wanted, 0.0), RETRY_AFTER_SECONDS_MAX) if math.isfinite(wanted) else _backoff(count)
