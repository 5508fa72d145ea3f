"""Jobs of the caller's account."""

from typing import Any

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from scrip.executor.v1 import executor_pb2

from services.gateway import answers, mapping, names, pages, shapes, sse
from services.gateway.answers import Answer
from services.gateway.auth import Doorkeeper
from services.gateway.openapi import Operation, opt
from services.gateway.peers import Executor
from services.gateway.sse import Streams

TAG = "jobs"
ASK_SECONDS = 5.0


def handlers(doorkeeper: Doorkeeper, executor: Executor, streams: Streams) -> list[HTTPRouteHandler]:
    """The routes under /v1/jobs."""

    @get(
        "/v1/jobs",
        opt=opt(
            Operation(
                "List the account's jobs, newest first",
                TAG,
                {200: shapes.Jobs},
                paged=True,
                problems=["REQUEST_INVALID", "ACCOUNT_REQUIRED"],
            )
        ),
    )
    async def list_jobs(request: Request[Any, Any, Any]) -> Answer:
        payer = await doorkeeper.payer(request)
        page = pages.of(request)
        question = executor_pb2.ListJobsRequest(account_id=payer.account_id, page_size=page.size, page_token=page.token)
        response = await executor.peer.call(executor.stub.ListJobs, question, ASK_SECONDS)
        jobs = [mapping.job_of_list(job) for job in response.jobs]
        return answers.of(shapes.Jobs(jobs, response.next_page_token))

    @get(
        "/v1/jobs/{job_id:str}",
        opt=opt(Operation("One job", TAG, {200: shapes.Job}, problems=["JOB_NOT_FOUND", "ACCOUNT_REQUIRED"])),
    )
    async def get_job(request: Request[Any, Any, Any], job_id: FromPath[str]) -> Answer:
        payer = await doorkeeper.payer(request)
        return answers.of(mapping.job(await job_of(payer.account_id, names.job_id(job_id))))

    @get(
        "/v1/jobs/{job_id:str}/events",
        opt=opt(
            Operation(
                "Follow a job",
                TAG,
                {200: None},
                problems=["JOB_NOT_FOUND", "ACCOUNT_REQUIRED", "REQUEST_INVALID"],
                headers=["Last-Event-ID"],
                streams=True,
            )
        ),
    )
    async def follow_job(request: Request[Any, Any, Any], job_id: FromPath[str]) -> Response[Any]:
        payer = await doorkeeper.payer(request)
        job = await job_of(payer.account_id, names.job_id(job_id))
        number = sse.number_after(request.headers.get("last-event-id"), job.job_id)
        streams.check_room()
        return streams.follow(job, number)

    async def job_of(account_id: str, job_id: str) -> executor_pb2.Job:
        question = executor_pb2.GetJobRequest(account_id=account_id, job_id=job_id)
        return (await executor.peer.call(executor.stub.GetJob, question, ASK_SECONDS)).job

    return [list_jobs, get_job, follow_job]
