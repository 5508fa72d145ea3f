"""Calls of tools, wherever they run: a handler in a tool process, or a provider over HTTP."""

import asyncio
import functools
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace

from services.executor.providers.answers import ProviderCall
from services.executor.providers.begun import Begun, begun_of
from services.executor.providers.calls import Providers
from services.executor.providers.cancels import Cancels
from services.executor.providers.course import Course
from services.executor.providers.files import input_file
from services.executor.providers.health import alone
from services.executor.providers.plan import HttpPlan
from services.executor.rules.answers import ToolAnswer
from services.executor.rules.jobs import Retry
from services.executor.running.leases import Held
from services.executor.running.pool import CallTimedOutError, WorkerPool
from services.executor.running.specs import RunSpec
from services.executor.running.worker import ToolCall
from services.runtime import clock

Keep = Callable[[Held, Begun], Awaitable[None]]


class Runner:
    """One a process. One of `processes` is held during `run` of a tool that runs here, `held.visit` of another."""

    def __init__(self, tool_processes: WorkerPool, providers: Providers, cancels: Cancels) -> None:
        self._tool_processes = tool_processes
        self._providers = providers
        self._cancels = cancels
        self.processes = asyncio.Semaphore(tool_processes.size)

    async def run(self, spec: RunSpec, held: Held, keep: Keep) -> ToolAnswer:
        """The tool's answer; raises CallTimedOutError, WorkerLostError or NoAnswerError where nobody knows how the call
        ended, or what `keep` raises, which is called with what a provider has begun. What becomes of a provider's call
        is noted in `held.course`, also where there is no answer."""
        if spec.http is not None:
            return await self._ask(spec, spec.http, held, keep)
        claim = held.claim
        call = ToolCall(
            spec.handler, claim.input_json, claim.files, dict(spec.pointers), held.job.job_id, spec.file_places
        )
        return await self._tool_processes.run(call, held.seconds_left())

    def stop_work(self, spec: RunSpec, course: Course) -> None:
        """Has the provider stop what it is at for a call that ended without its answer, where there is a way."""
        if spec.http is not None:
            self._cancels.begin(spec.http, course)

    async def _ask(self, spec: RunSpec, plan: HttpPlan, held: Held, keep: Keep) -> ToolAnswer:
        claim, visit = held.claim, held.visit or alone()
        call = ProviderCall(
            plan,
            json.loads(claim.input_json),
            {name: input_file(data, claim.media_types[name], name) for name, data in claim.files.items()},
            spec.retry is Retry.SAFE,
            spec.units,
            spec.misfit,
            begun=begun_of(claim.work) if claim.work else None,
            keep=functools.partial(keep, held),
            visit=visit,
            course=held.course,
            until=clock.monotonic() + held.seconds_left(),
            job_id=held.job.job_id,
            file_places=spec.file_places,
        )
        if held.course.meter:
            await asyncio.to_thread(held.course.meter.prepare)
        try:
            async with asyncio.timeout(held.seconds_left()):
                return await self._providers.run(call)
        except TimeoutError as error:
            visit.ran_out_of_time()
            raise CallTimedOutError from error
        finally:
            held.course.report = replace(held.course.report, provider=spec.provider)
