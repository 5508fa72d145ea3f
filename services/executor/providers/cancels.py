"""Work at a provider that nobody waits for any more is stopped there, where its manifest says how.

As best it can: what the job costs does not depend on it, so nothing waits for its answer.
"""

import asyncio

from services.executor.providers.client import Client, NoAnswerError, NotSentError, TooLargeError
from services.executor.providers.course import Course
from services.executor.providers.errors import is_transient
from services.executor.providers.hosts import ForbiddenHostError, check_host
from services.executor.providers.plan import HttpPlan, RequestPlan, hosts_of
from services.executor.providers.requests import Request, rendered, signed
from services.executor.providers.secrets import MissingSecretError, Secrets
from services.executor.providers.sendable import UnsendableError
from services.executor.providers.streams import UnreadableError
from services.runtime import logs
from services.runtime.expressions import ExpressionError

log = logs.get("provider_cancels")

SENDS_MAX = 3
PAUSE_SECONDS = 1.0
# All of it, for one work.
CANCEL_SECONDS = 10.0
_HOPELESS = (
    ExpressionError, ForbiddenHostError, MissingSecretError, TooLargeError, UnreadableError, UnsendableError,
    TimeoutError,
)  # fmt: skip
# At once; what comes on top runs out at the provider by itself.
CANCELS_MAX = 64


class Cancels:
    """One a process."""

    def __init__(self, client: Client, secrets: Secrets) -> None:
        self._client = client
        self._secrets = secrets
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, plan: HttpPlan, course: Course) -> None:
        """Has work stopped that is under way, beside the caller."""
        if plan.cancel is None or course.submitted is None:
            return
        if len(self._tasks) >= CANCELS_MAX:
            log.warning("provider_cancel_left_out", limit=CANCELS_MAX)
            return
        task = asyncio.create_task(self._stop(plan, plan.cancel, course))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finish(self) -> None:
        """Waits for those under way, for the time of one at most."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CANCEL_SECONDS)

    async def _stop(self, plan: HttpPlan, cancel: RequestPlan, course: Course) -> None:
        try:
            request = self._request(plan, cancel, course)
            async with asyncio.timeout(CANCEL_SECONDS):
                status = await self._sent(request)
        except _HOPELESS as error:
            log.warning("provider_cancel_failed", error=type(error).__name__)
        else:
            log.info("provider_cancel_sent", status=status)

    def _request(self, plan: HttpPlan, cancel: RequestPlan, course: Course) -> Request:
        request = rendered(cancel, {"submitted": course.submitted})
        # The provider may have given the URL, and the secret goes with it.
        check_host(request.url, hosts_of(plan))
        return signed(request, plan.auth, self._secrets.get(plan.auth.secret) if plan.auth else "")

    async def _sent(self, request: Request) -> int:
        """Status of the answer; 0: there was none."""
        status = 0
        for count in range(SENDS_MAX):
            if count:
                await asyncio.sleep(PAUSE_SECONDS)
            try:
                status = (await self._client.send(request)).status
            except (NotSentError, NoAnswerError):
                continue
            if not is_transient(status):
                break
        return status
