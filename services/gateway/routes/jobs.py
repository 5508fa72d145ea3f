"""Jobs: those of the caller's account, and for operators everybody's."""

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from scrip.executor.v1 import executor_pb2

from services.gateway import answers, bodies, mapping, names, pages, queries, shapes, sse
from services.gateway.answers import Answer
from services.gateway.auth import Doorkeeper
from services.gateway.openapi import Operation, opt
from services.gateway.peers import Executor
from services.gateway.sse import Streams
from services.runtime.errors import invalid

TAG = "jobs"
OWN = "/v1/jobs"
ANY = "/v1/admin/jobs"
ASK_SECONDS = 5.0
_OWN_FILTERS = (queries.JOB_STATE, queries.TOOL, queries.CREATED_BEFORE)
_ANY_FILTERS = (queries.ACCOUNT_ID, *_OWN_FILTERS)
_CANCEL_HEADERS = {"Location": "202: where the job is."}
_SETTLE_BODY = msgspec.json.Decoder(shapes.SettleBody)
_ENDINGS: Mapping[str, executor_pb2.Job.State] = {
    "SUCCEEDED": executor_pb2.Job.STATE_SUCCEEDED,
    "FAILED": executor_pb2.Job.STATE_FAILED,
}


class Jobs:
    """Asks the executor; an account that is empty is everybody's."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    async def page(
        self, request: Request[Any, Any, Any], account_id: str, query: queries.Query
    ) -> executor_pb2.ListJobsResponse:
        """A page of jobs that fit the filters."""
        page = pages.of(request)
        tool = query.text(queries.TOOL)
        question = executor_pb2.ListJobsRequest(
            account_id=account_id,
            page_size=page.size,
            page_token=page.token,
            state=query.word(queries.JOB_STATE, mapping.JOB_STATES),
            tool=names.slug(tool) if tool else "",
            created_before=query.time(queries.CREATED_BEFORE),
        )
        return await self._executor.peer.call(self._executor.stub.ListJobs, question, ASK_SECONDS)

    async def one(self, account_id: str, job_id: str) -> executor_pb2.Job:
        """A job with its output; raises JOB_NOT_FOUND."""
        question = executor_pb2.GetJobRequest(account_id=account_id, job_id=names.job_id(job_id))
        return (await self._executor.peer.call(self._executor.stub.GetJob, question, ASK_SECONDS)).job

    async def cancel(self, account_id: str, job_id: str, key_id: str) -> executor_pb2.Job:
        """A job, canceled or asked to stop; raises JOB_NOT_FOUND, JOB_ENDED."""
        command = executor_pb2.CancelJobRequest(account_id=account_id, job_id=names.job_id(job_id), key_id=key_id)
        return (await self._executor.peer.call(self._executor.stub.CancelJob, command, ASK_SECONDS)).job

    async def settle(self, job_id: str, key_id: str, body: shapes.SettleBody) -> executor_pb2.Job:
        """A job whose outcome was not known, ended as an operator says; raises JOB_ENDED, JOB_NOT_INDETERMINATE."""
        output_json = bytes(body.output)
        if output_json and not output_json.startswith(b"{"):
            raise invalid("output", "must be a JSON object")
        if output_json and body.status == "FAILED":
            raise invalid("output", "belongs to a job that succeeded")
        command = executor_pb2.SettleJobRequest(
            job_id=names.job_id(job_id),
            state=_ENDINGS[body.status],
            reason=body.reason,
            units=body.units,
            output_json=output_json,
            key_id=key_id,
        )
        return (await self._executor.peer.call(self._executor.stub.SettleJob, command, ASK_SECONDS)).job


def handlers(doorkeeper: Doorkeeper, jobs: Jobs, streams: Streams) -> list[HTTPRouteHandler]:
    """The routes under /v1/jobs."""

    @get(OWN, opt=_list_opt("List the account's jobs, newest first", shapes.Jobs, _OWN_FILTERS, "ACCOUNT_REQUIRED"))
    async def list_jobs(request: Request[Any, Any, Any]) -> Answer:
        payer = await doorkeeper.payer(request)
        found = await jobs.page(request, payer.account_id, queries.Query(request, _OWN_FILTERS, paged=True))
        return answers.of(shapes.Jobs([mapping.job_of_list(job) for job in found.jobs], found.next_page_token))

    @get(
        f"{OWN}/{{job_id:str}}",
        opt=opt(
            Operation(
                "One job, with its attempts", TAG, {200: shapes.Job}, problems=["JOB_NOT_FOUND", "ACCOUNT_REQUIRED"]
            )
        ),
    )
    async def get_job(request: Request[Any, Any, Any], job_id: FromPath[str]) -> Answer:
        payer = await doorkeeper.payer(request)
        return answers.of(mapping.job_with_attempts(await jobs.one(payer.account_id, job_id)))

    @get(
        f"{OWN}/{{job_id:str}}/events",
        opt=opt(
            Operation(
                "Follow a job",
                TAG,
                {200: None, 204: None},
                problems=["JOB_NOT_FOUND", "ACCOUNT_REQUIRED", "REQUEST_INVALID"],
                headers=["Last-Event-ID"],
                streams=True,
            )
        ),
    )
    async def follow_job(request: Request[Any, Any, Any], job_id: FromPath[str]) -> Response[Any]:
        payer = await doorkeeper.payer(request)
        job = await jobs.one(payer.account_id, job_id)
        number = sse.number_after(request.headers.get("last-event-id"), job.job_id)
        if number is None:
            # Browsers take this as the word not to connect again.
            return Response(None, status_code=204)
        streams.check_room()
        return streams.follow(job, number)

    @post(f"{OWN}/{{job_id:str}}/cancel", opt=_cancel_opt("Cancel a job", shapes.Job, "ACCOUNT_REQUIRED"))
    async def cancel_job(request: Request[Any, Any, Any], job_id: FromPath[str]) -> Answer:
        payer = await doorkeeper.payer(request)
        job = await jobs.cancel(payer.account_id, job_id, payer.key_id)
        return _canceled(job, mapping.job(job), OWN)

    return [list_jobs, get_job, follow_job, cancel_job]


def any_handlers(doorkeeper: Doorkeeper, jobs: Jobs) -> list[HTTPRouteHandler]:
    """The routes under /v1/admin/jobs."""

    @get(ANY, opt=_list_opt("List everybody's jobs, newest first", shapes.OperatorJobs, _ANY_FILTERS, "FORBIDDEN"))
    async def list_any_jobs(request: Request[Any, Any, Any]) -> Answer:
        await doorkeeper.admin(request)
        query = queries.Query(request, _ANY_FILTERS, paged=True)
        account_id = query.text(queries.ACCOUNT_ID)
        found = await jobs.page(request, names.account_id(account_id) if account_id else "", query)
        shown = [mapping.operator_job_of_list(job) for job in found.jobs]
        return answers.of(shapes.OperatorJobs(shown, found.next_page_token))

    @get(
        f"{ANY}/{{job_id:str}}",
        opt=opt(
            Operation("One job of any account", TAG, {200: shapes.OperatorJob}, problems=["JOB_NOT_FOUND", "FORBIDDEN"])
        ),
    )
    async def get_any_job(request: Request[Any, Any, Any], job_id: FromPath[str]) -> Answer:
        await doorkeeper.admin(request)
        return answers.of(mapping.operator_job_with_attempts(await jobs.one("", job_id)))

    @post(
        f"{ANY}/{{job_id:str}}/cancel",
        opt=_cancel_opt("Cancel a job of any account", shapes.OperatorJob, "FORBIDDEN"),
    )
    async def cancel_any_job(request: Request[Any, Any, Any], job_id: FromPath[str]) -> Answer:
        caller = await doorkeeper.admin(request)
        job = await jobs.cancel("", job_id, caller.key_id)
        return _canceled(job, mapping.operator_job(job), ANY)

    @post(
        f"{ANY}/{{job_id:str}}/settle",
        opt=opt(
            Operation(
                "Say how a job ended whose outcome is not known; said again it is the same",
                TAG,
                {200: shapes.OperatorJob},
                body=shapes.SettleBody,
                body_example={"status": "FAILED", "reason": "it is not on the provider's bill"},
                problems=["REQUEST_INVALID", "JOB_NOT_FOUND", "JOB_ENDED", "JOB_NOT_INDETERMINATE", "FORBIDDEN"],
            )
        ),
    )
    async def settle_job(request: Request[Any, Any, Any], job_id: FromPath[str]) -> Answer:
        caller = await doorkeeper.admin(request)
        body = bodies.decode(_SETTLE_BODY, await bodies.read(request.receive))
        return answers.of(mapping.operator_job(await jobs.settle(job_id, caller.key_id, body)))

    return [list_any_jobs, get_any_job, cancel_any_job, settle_job]


def _canceled(job: executor_pb2.Job, shape: msgspec.Struct, where: str) -> Answer:
    """200 where it has ended; 202 while its call is being stopped."""
    if mapping.has_ended(job):
        return answers.of(shape)
    return answers.of(shape, 202, {"Location": f"{where}/{job.job_id}"})


def _list_opt(
    summary: str, shape: type[msgspec.Struct], filters: tuple[queries.Parameter, ...], problem: str
) -> dict[str, Any]:
    return opt(Operation(summary, TAG, {200: shape}, query=filters, paged=True, problems=["REQUEST_INVALID", problem]))


def _cancel_opt(summary: str, shape: type[msgspec.Struct], problem: str) -> dict[str, Any]:
    problems = ["JOB_NOT_FOUND", "JOB_ENDED", problem]
    return opt(Operation(summary, TAG, {200: shape, 202: shape}, problems=problems, answer_headers=_CANCEL_HEADERS))
