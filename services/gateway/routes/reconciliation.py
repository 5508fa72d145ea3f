"""Whether jobs and reservations fit together."""

from typing import Any

from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from scrip.executor.v1 import executor_pb2

from services.gateway import answers, queries, reconciliation
from services.gateway.answers import Answer
from services.gateway.auth import Doorkeeper
from services.gateway.openapi import Operation, opt
from services.gateway.peers import Executor
from services.runtime.errors import invalid

GRACE_SECONDS_MAX = 86_400
# All that is open is looked at.
RECONCILE_SECONDS = 25.0
_GRACE = queries.Parameter(
    "grace_seconds",
    "How old what is under way must be to be a finding.",
    {"type": "integer", "minimum": 0, "maximum": GRACE_SECONDS_MAX, "default": 120},
)


def handlers(doorkeeper: Doorkeeper, executor: Executor) -> list[HTTPRouteHandler]:
    """The route that compares."""

    @get(
        "/v1/admin/reconciliation",
        opt=opt(
            Operation(
                "Compare jobs with reservations now; in a healthy system there are no findings",
                "jobs",
                {200: reconciliation.Reconciliation},
                query=(_GRACE,),
                problems=["REQUEST_INVALID", "FORBIDDEN"],
            )
        ),
    )
    async def get_reconciliation(request: Request[Any, Any, Any]) -> Answer:
        await doorkeeper.admin(request)
        question = executor_pb2.ReconcileJobsRequest()
        grace = queries.Query(request, (_GRACE,)).text(_GRACE)
        if grace:
            if not grace.isdecimal() or len(grace) > 5 or int(grace) > GRACE_SECONDS_MAX:
                raise invalid("grace_seconds", f"must be a whole number from 0 to {GRACE_SECONDS_MAX}")
            question.grace.FromSeconds(int(grace))
        found = await executor.peer.call(executor.stub.ReconcileJobs, question, RECONCILE_SECONDS)
        return answers.of(reconciliation.of(found))

    return [get_reconciliation]
