"""The requests of one call of a provider, in their order: asked, waited for where it takes its time, fetched, read.

The request for the work is sent again only where that cannot be a second work: it never left, the provider says that it
did nothing, or the tool may be called twice. Once there is work, looking at it and fetching what it made goes on until
the call's time is over.
"""

import asyncio
import itertools
from dataclasses import replace
from typing import Any

from services.executor.providers import errors, streaming
from services.executor.providers.answers import ProviderCall, failed, output_of, told, used
from services.executor.providers.begun import Begun, begun
from services.executor.providers.client import Client, NoAnswerError, NotSentError
from services.executor.providers.downloads import downloaded
from services.executor.providers.errors import Failure
from services.executor.providers.files import File
from services.executor.providers.health import ProviderDownError
from services.executor.providers.hooks import Hooks, token_of
from services.executor.providers.hosts import check_host
from services.executor.providers.pauses import backoff, retry_after
from services.executor.providers.plan import PollPlan, RequestPlan, hosts_of
from services.executor.providers.requests import Request, rendered, signed
from services.executor.providers.responses import Response, body_of
from services.executor.providers.sendable import UnsendableError
from services.executor.providers.streaming import StreamCutError
from services.executor.providers.streams import UnreadableError
from services.executor.rules.answers import Answer, ToolAnswer
from services.runtime import clock
from services.runtime.expressions import ExpressionError, evaluate

SENDS_MAX = 3
ASK_AGAIN_SECONDS_MAX = 30.0
# Answers of more are read on a thread, so that no other call waits meanwhile.
THREAD_BYTES_MIN = 256 * 1024
# Polls grow rarer up to this, so that an hour's work is not asked for every second.
POLL_SECONDS_MAX = 15.0
POLL_GROWTH = 1.2


class EndedError(Exception):
    """The call has an answer that is no output."""

    def __init__(self, answer: ToolAnswer) -> None:
        super().__init__(answer.reason)
        self.answer = answer


class Conversation:
    """The requests of one call. `_context` is what expressions and templates see: the input, and the last answer."""

    def __init__(self, client: Client, hooks: Hooks, call: ProviderCall, secret: str) -> None:
        self._client = client
        self._hooks = hooks
        self._token = token_of(call.job_id, secret)
        self._call = call
        self._plan = call.plan
        self._visit = call.visit
        self._secret = secret
        self._context: dict[str, Any] = {
            "input": {**call.input, **call.files},
            "files": {},
            "job": {"id": call.job_id},
        }
        if self._plan.poll:
            self._context["webhook"] = hooks.url(self._token)
        self.status = 0
        self.request_id = ""
        self.usage: dict[str, int] = {}

    async def answer(self) -> ToolAnswer:
        """Asks, waits, reads."""
        plan, context = self._plan, self._context
        if self._call.begun:
            self._resume(self._call.begun)
        else:
            if plan.upload:
                await self._upload(plan.upload)
            # While work is under way elsewhere its answers are JSON; only the last one is what the manifest says.
            await self._ask(plan.request, "json" if plan.poll else plan.response.read, self._call.may_repeat)
            await self._keep()
        if plan.poll:
            self._call.course.submitted = context["submitted"] = context["body"]
            await self._wait(plan.poll)
        return await self._outcome()

    async def _outcome(self) -> ToolAnswer:
        """What is there when all is done."""
        plan, context = self._plan, self._context
        if plan.result:
            await self._look(plan.result, plan.response.read)
        self._check_content()
        for name, expression in plan.response.fetch.items():
            found = evaluate(expression, context)
            context["files"][name] = await downloaded(self._client, name, found, hosts_of(plan))
        answer = await asyncio.to_thread(output_of, self._call, context, self._secret)
        if answer.answer is Answer.OUTPUT and self._call.units:
            units, self.usage = used(self._call, context)
            return replace(answer, units=units)
        return answer

    async def _upload(self, plan: RequestPlan) -> None:
        """Hands over what the request for the work refers to. Whatever becomes of it, no work was done."""
        try:
            await self._ask(plan, "json", may_repeat=True)
        except NoAnswerError as error:
            raise NotSentError(str(error)) from error
        except EndedError as ended:
            raise EndedError(replace(ended.answer, worked=False)) from ended
        self._context["uploaded"] = self._context["body"]

    async def _ask(self, plan: RequestPlan, read: str, may_repeat: bool) -> None:
        """Asks for the work, again where that cannot be a second work; the answer is in the context then."""
        try:
            request = signed(rendered(plan, self._context), self._plan.auth, self._secret)
        except ExpressionError as error:
            message = "the tool cannot ask its provider for this"
            raise EndedError(failed("TOOL_FAILED", message, str(error), worked=False)) from error
        nothing_done = True
        for count in itertools.count(1):
            pause = backoff(count)
            try:
                response = await self._visit.ask(self._received(request))
            except NotSentError:
                if not self._asks_again(count):
                    raise
            except NoAnswerError:
                nothing_done = False
                if not may_repeat or not self._asks_again(count):
                    raise
            else:
                failure = await self._read(response, read)
                if failure is None:
                    return
                nothing_done = nothing_done and failure.nothing_done
                pause = retry_after(response, count)
                again = failure.means == "retry" and (may_repeat or failure.nothing_done) and self._can_wait(pause)
                if not again or not self._asks_again(count):
                    raise EndedError(replace(told(failure, response.status), worked=not nothing_done))
            await asyncio.sleep(pause)

    def _asks_again(self, count: int) -> bool:
        """Whether what may be asked again is, after `count` times; raises ProviderDownError where it is to wait."""
        if self._visit.is_down:
            raise ProviderDownError
        return count < SENDS_MAX and self._visit.may_ask_again()

    def _can_wait(self, seconds: float) -> bool:
        """Whether the provider may be asked again as late as it wants; what waits keeps its place there."""
        return seconds <= ASK_AGAIN_SECONDS_MAX and clock.monotonic() + seconds < self._call.until

    async def _received(self, request: Request) -> Response:
        stream = self._plan.response.stream
        if stream is None:
            return await self._client.send(request)
        try:
            return await streaming.received(self._client, request, self._call, stream)
        except StreamCutError as cut:
            await self._read(cut.response, self._plan.response.read)
            raise

    async def _keep(self) -> None:
        """Where more is to be asked, lets any executor go on from here. Until this is done nobody else knows that there
        is work: who dies between the provider's answer and this leaves it unknown whether there is."""
        plan = self._plan
        is_all = not plan.poll and not plan.response.fetch
        if is_all or self._call.keep is None or isinstance(self._context["body"], File):
            return
        if found := begun(self._context, self.request_id, self._secret):
            await self._call.keep(found)

    def _resume(self, begun: Begun) -> None:
        """Takes up what another executor asked for."""
        self._context |= begun.context()
        self.status = self._context["status"]
        self.request_id = begun.request_id

    async def _look(self, plan: RequestPlan, read: str) -> None:
        """Asks about work that is under way, or for its result. The provider bills it, so what may be over later is
        waited out, as long as the call may take."""
        try:
            request = rendered(plan, self._context)
            # The provider may have given the URL, and the secret goes with it.
            check_host(request.url, hosts_of(self._plan))
            request = signed(request, self._plan.auth, self._secret)
        except UnsendableError as error:
            raise UnreadableError(f"what the provider answered cannot be asked about: {error}") from error
        for count in itertools.count(1):
            pause = backoff(count)
            try:
                response = await self._visit.look(self._client.look(request))
            except (NotSentError, NoAnswerError):
                pass
            else:
                failure = await self._read(response, read)
                if failure is None:
                    return
                if failure.means != "retry":
                    raise EndedError(told(failure, response.status))
                pause = retry_after(response, count)
            await asyncio.sleep(pause)

    async def _read(self, response: Response, read: str) -> Failure | None:
        """Takes an answer into the context; answers what went wrong, where it says so."""
        await self._take(response, read)
        return self._failure()

    async def _take(self, response: Response, read: str) -> None:
        self.status = response.status
        self._context |= {
            "status": response.status,
            "headers": dict(response.headers),
            "body": await _body(response, read),
        }
        if response.streamed:
            self._context |= {"text": response.streamed.text, "stopped": response.streamed.stopped}

    def _failure(self) -> Failure | None:
        """What the answer in the context says went wrong."""
        if self._plan.request_id:
            self.request_id = str(evaluate(self._plan.request_id, self._context) or self.request_id)
        return errors.failure_of(self.status, self._context, self._plan.errors)

    async def _wait(self, poll: PollPlan) -> None:
        """Asks until the work is done; the call's own time limit ends the wait. Asking does nothing twice."""
        # What another executor has waited for is looked at at once.
        pause = 0.0 if self._call.begun else poll.every_ms / 1000
        with self._hooks.waiting(self._token) as called_back:
            while not self._is_done(poll):
                await called_back.wait(pause)
                pause = max(min(pause * POLL_GROWTH, POLL_SECONDS_MAX), poll.every_ms / 1000)
                await self._look(poll.request, "json")

    def _is_done(self, poll: PollPlan) -> bool:
        """Whether the last answer says so; one that says how else it ended ends the call."""
        state = evaluate(poll.status, self._context)
        if state in poll.done:
            # A result that is asked for apart takes the place of the body.
            self._context["polled"] = self._context["body"]
            return True
        for states, means in ((poll.refused, "refused"), (poll.failed, "failed")):
            if state in states:
                raise EndedError(told(Failure(means, self._said(poll.message)), self.status))
        return False

    def _check_content(self) -> None:
        """Some providers say with success that they did nothing."""
        response = self._plan.response
        for expression, means in ((response.refused, "refused"), (response.failed, "failed")):
            if expression and evaluate(expression, self._context):
                raise EndedError(told(Failure(means, self._said(response.message)), self.status))

    def _said(self, expression: str) -> str:
        said = evaluate(expression, self._context) if expression else None
        return said if isinstance(said, str) else errors.said_by(self._context)


async def _body(response: Response, read: str) -> Any:
    """The body, as `read` says; raises UnreadableError."""
    if len(response.content) < THREAD_BYTES_MIN:
        return body_of(response, read)
    return await asyncio.to_thread(body_of, response, read)
