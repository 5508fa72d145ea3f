"""Calls of tools, wherever they run: a handler in a tool process, or a provider over HTTP."""

import asyncio
import json
from dataclasses import replace

from services.executor.jobs import Retry
from services.executor.pool import CallTimedOutError, WorkerLostError, WorkerPool
from services.executor.providers.answers import ProviderCall
from services.executor.providers.calls import Providers
from services.executor.providers.client import NoAnswerError
from services.executor.providers.files import input_file
from services.executor.providers.metering import Meter
from services.executor.providers.plan import HttpPlan
from services.executor.specs import RunSpec
from services.executor.store.rows import Claim
from services.executor.worker import ToolAnswer, ToolCall

# Calls of providers at once; they wait, and need no process.
PROVIDER_CALLS_MAX = 64


class Runner:
    """One a process. `slot` bounds how many calls are made at once; it is held during `run`."""

    def __init__(self, tool_processes: WorkerPool, providers: Providers) -> None:
        self._tool_processes = tool_processes
        self._providers = providers
        self._processes = asyncio.Semaphore(tool_processes.size)
        self._calls = asyncio.Semaphore(PROVIDER_CALLS_MAX)

    def slot(self, spec: RunSpec) -> asyncio.Semaphore:
        """What a call of this tool waits for."""
        return self._processes if spec.http is None else self._calls

    async def run(self, spec: RunSpec, claim: Claim, timeout_seconds: float, meter: Meter | None = None) -> ToolAnswer:
        """The tool's answer; raises CallTimedOutError, or WorkerLostError where nobody knows how the call ended.

        `meter` gets what a streamed answer says.
        """
        if spec.http is not None:
            return await self._ask(spec, spec.http, claim, timeout_seconds, meter)
        call = ToolCall(spec.handler, claim.input_json, claim.files, dict(spec.pointers))
        return await self._tool_processes.run(call, timeout_seconds)

    async def _ask(
        self, spec: RunSpec, plan: HttpPlan, claim: Claim, timeout_seconds: float, meter: Meter | None
    ) -> ToolAnswer:
        files = {name: input_file(data, claim.media_types[name], name) for name, data in claim.files.items()}
        call = ProviderCall(
            plan, json.loads(claim.input_json), files, spec.retry is Retry.SAFE, spec.units, spec.misfit
        )
        if meter:
            call = replace(call, meter=meter)
            await asyncio.to_thread(meter.prepare)
        try:
            async with asyncio.timeout(timeout_seconds):
                return await self._providers.run(call)
        except TimeoutError as error:
            raise CallTimedOutError from error
        except NoAnswerError as error:
            raise WorkerLostError(str(error)) from error
