"""The reconciler against a real ledger: each kind of finding, made by hand, is found, and only that."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from scrip.executor.v1 import executor_pb2

from services.runtime.errors import Refusal
from tests.executor.saga import Saga
from tests.executor.samples import quote
from tests.harness.databases import Databases
from tests.harness.processes import Services
from tests.harness.reconciled import reconcile
from tests.harness.shared import shared_services
from tests.harness.waiting import eventually

Finding = executor_pb2.Finding
Kind = executor_pb2.Finding.Kind
AT_ONCE = Duration()


@pytest.fixture(scope="module")
def running(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """The services of this module, as what is broken here stays broken; each test looks at an account of its own."""
    with shared_services(databases, tmp_path_factory.mktemp("reconciler")) as services:
        asyncio.run(services.start("ledger", "catalog", "executor"))
        yield services


async def found(saga: Saga, acme: str, grace: Duration | None = AT_ONCE) -> list[Finding]:
    """What a run finds of an account."""
    answer = await reconcile(saga.services, grace)
    assert sum(count.count for count in answer.counts) == len(answer.findings)
    assert all(one.advice for one in answer.findings)
    return [one for one in answer.findings if one.account_id == acme]


async def none_is_left(saga: Saga, acme: str) -> None:
    """Returns when a run finds nothing of the account any more."""

    async def is_clean() -> bool:
        return await found(saga, acme) == []

    await eventually(is_clean, 30)


def amend(saga: Saga, change: str, job_id: str) -> None:
    saga.services.query("executor", f"UPDATE job SET {change} WHERE job_id = %s RETURNING job_id", job_id)


async def is_running(saga: Saga, acme: str, job_id: str) -> Any:
    async def runs() -> bool:
        return (await saga.job(acme, job_id)).state == executor_pb2.Job.STATE_RUNNING

    return await eventually(runs)


async def test_a_healthy_system_has_no_findings(saga: Saga, acme: str) -> None:
    """Jobs that succeeded, failed, lost their workers or run fit to their reservations."""
    for outcome in ("success", "failure", "crash"):
        await saga.settled(acme, await saga.begin(acme, {"message": "x", "outcome": outcome}))
    await saga.begin(acme, {"message": "x", "delay_seconds": 5})
    assert await found(saga, acme) == []
    await none_is_left(saga, acme)


async def test_an_amount_that_differs_is_found_until_it_is_put_right(saga: Saga, acme: str) -> None:
    """Also by runs that keep what they found, which do not compare a job twice."""
    job_id = await saga.begin(acme, {"message": "x"})
    captured = (await saga.settled(acme, job_id)).captured_micros
    await saga.settled(acme, await saga.begin(acme, {"message": "y"}))
    amend(saga, "captured_micros = captured_micros - 1", job_id)
    (one,) = await found(saga, acme)
    assert (one.kind, one.account_id, one.job_id) == (Kind.KIND_CAPTURED_OTHERWISE, acme, job_id)
    assert (one.tool, one.job_micros, one.ledger_micros) == ("echo", captured - 1, captured)
    amend(saga, "settled_at = settled_at - interval '1 hour'", job_id)
    saga.services.query(
        "executor", "UPDATE reconciliation SET compared_until = compared_until - interval '2 hours' RETURNING single"
    )
    assert [one.job_id for one in await found(saga, acme, None)] == [job_id]
    assert [one.job_id for one in await found(saga, acme, None)] == [job_id]
    assert saga.services.query("executor", "SELECT kind FROM finding WHERE job_id = %s", job_id) == [
        ("captured_otherwise",)
    ]
    amend(saga, "captured_micros = captured_micros + 1", job_id)
    assert await found(saga, acme, None) == []
    assert saga.services.query("executor", "SELECT kind FROM finding WHERE job_id = %s", job_id) == []


async def test_a_settled_job_that_the_ledger_does_not_know_is_found(saga: Saga, acme: str) -> None:
    """Nothing was captured for it."""
    job_id = await saga.begin(acme, {"message": "x"})
    captured = (await saga.settled(acme, job_id)).captured_micros
    saga.services.query(
        "executor",
        "WITH old AS (DELETE FROM attempt WHERE job_id = %s RETURNING 1)"
        " UPDATE job SET job_id = 'unheard' || job_id WHERE job_id = %s RETURNING 1",
        job_id,
        job_id,
    )
    (one,) = await found(saga, acme)
    assert (one.kind, one.job_id) == (Kind.KIND_CAPTURED_OTHERWISE, f"unheard{job_id}")
    assert (one.job_micros, one.ledger_micros) == (captured, 0)


async def test_a_reservation_without_a_job_is_found(saga: Saga, acme: str) -> None:
    """With what it holds; not before its grace is over, and not once it has ended."""
    made = quote(acme)
    await saga.reserve(made, ttl_seconds=5)
    assert await found(saga, acme, Duration(seconds=120)) == []
    (one,) = await found(saga, acme)
    assert (one.kind, one.account_id, one.job_id) == (Kind.KIND_RESERVATION_WITHOUT_JOB, acme, made.job_id)
    assert (one.tool, one.job_micros, one.ledger_micros) == ("", 0, made.amount_max_micros)
    await none_is_left(saga, acme)


async def test_a_job_of_another_account_is_not_the_reservations(saga: Saga, acme: str) -> None:
    """An id alone does not make them belong together."""
    job_id = await saga.begin(acme, {"message": "x"})
    await saga.settled(acme, job_id)
    other = f"{acme}-2"
    await saga.account(other)
    await saga.reserve(quote(other, job_id=job_id))
    assert await found(saga, acme) == []
    (one,) = await found(saga, other)
    assert (one.kind, one.job_id) == (Kind.KIND_RESERVATION_WITHOUT_JOB, job_id)


async def test_a_reservation_that_a_settled_job_left_open_is_found(saga: Saga, acme: str) -> None:
    """The job says that it is settled, and the ledger still holds its credits."""
    job_id = await saga.begin(acme, {"message": "x", "delay_seconds": 8})
    await is_running(saga, acme, job_id)
    amend(
        saga,
        "state = 'FAILED', finished_at = now(), settle_at = now(), error_reason = 'X', settlement = 'SETTLED',"
        " settled_at = now(), fence = fence + 1, worker = ''",
        job_id,
    )
    (one,) = await found(saga, acme)
    assert (one.kind, one.job_id) == (Kind.KIND_RESERVATION_LEFT_OPEN, job_id)
    assert one.ledger_micros > 0 == one.job_micros


async def test_a_job_whose_reservation_ended_under_it_is_found(saga: Saga, acme: str) -> None:
    """What it costs cannot be captured any more."""
    job_id = await saga.begin(acme, {"message": "x", "delay_seconds": 8})
    await is_running(saga, acme, job_id)
    await saga.release(acme, job_id)
    (one,) = await found(saga, acme)
    assert (one.kind, one.job_id, one.ledger_micros) == (Kind.KIND_RESERVATION_ENDED_EARLY, job_id, 0)


async def test_a_refused_settlement_is_found(saga: Saga, acme: str) -> None:
    """With the ledger's reason and what is owed."""
    job_id = await saga.begin(acme, {"message": "x", "delay_seconds": 1})
    await is_running(saga, acme, job_id)
    await saga.release(acme, job_id)
    job = await saga.settled(acme, job_id)
    assert job.settlement == executor_pb2.Job.SETTLEMENT_REFUSED
    (one,) = await found(saga, acme)
    assert (one.kind, one.job_id, one.reason) == (Kind.KIND_SETTLEMENT_REFUSED, job_id, "RESERVATION_ENDED")
    assert one.job_micros > 0 == one.ledger_micros


async def test_a_settlement_without_an_answer_is_found(saga: Saga, acme: str) -> None:
    """Once its grace is over, and while the ledger does not acknowledge it."""
    job_id = await saga.begin(acme, {"message": "x"})
    await saga.settled(acme, job_id)
    amend(
        saga,
        "settlement = 'PENDING', settled_at = NULL, content_expires_at = NULL, captured_micros = 0,"
        " settle_at = now() + interval '1 hour'",
        job_id,
    )
    assert await found(saga, acme, Duration(seconds=120)) == []
    (one,) = await found(saga, acme)
    assert (one.kind, one.job_id) == (Kind.KIND_SETTLEMENT_LATE, job_id)
    amend(saga, "settle_at = now()", job_id)
    await none_is_left(saga, acme)


async def test_a_run_without_the_ledger_is_refused(saga: Saga, acme: str) -> None:
    """It says nothing rather than something half."""
    saga.services.kill("ledger")
    with pytest.raises(Refusal, match="UPSTREAM_UNAVAILABLE"):
        await found(saga, acme)
    await saga.services.restart("ledger")


@pytest.mark.parametrize("grace", [Duration(seconds=-1), Duration(seconds=24 * 3600 + 1)])
async def test_a_grace_is_a_day_at_most(saga: Saga, acme: str, grace: Duration) -> None:
    """Others are refused, naming the field."""
    with pytest.raises(Refusal, match="grace") as refused:
        await found(saga, acme, grace)
    assert refused.value.reason == "REQUEST_INVALID"
