"""Jobs of the caller's account."""

from typing import Any

from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from scrip.executor.v1 import executor_pb2

from services.gateway import answers, mapping, names, pages, shapes
from services.gateway.answers import Answer
from services.gateway.auth import Doorkeeper
from services.gateway.openapi import Operation, opt
from services.gateway.peers import Executor

TAG = "jobs"
ASK_SECONDS = 5.0


def handlers(doorkeeper: Doorkeeper, executor: Executor) -> list[HTTPRouteHandler]:
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
        opt=opt(
            Operation(
                "One job, with its attempts", TAG, {200: shapes.Job}, problems=["JOB_NOT_FOUND", "ACCOUNT_REQUIRED"]
            )
        ),
    )
    async def get_job(request: Request[Any, Any, Any], job_id: FromPath[str]) -> Answer:
        payer = await doorkeeper.payer(request)
        question = executor_pb2.GetJobRequest(account_id=payer.account_id, job_id=names.job_id(job_id))
        response = await executor.peer.call(executor.stub.GetJob, question, ASK_SECONDS)
        return answers.of(mapping.job_with_attempts(response.job))

    return [list_jobs, get_job]
