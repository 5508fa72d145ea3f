"""kill -9 of one process after another while executes go on, by a schedule that follows from a seed.

`make test` runs a short one. `make test-kills` runs one of SCRIP_TEST_KILLS_SECONDS (120 unless set); the seed that a
failure names is set by SCRIP_TEST_KILLS_SEED. It gives the same victims and pauses, though not the same moments.
"""

import asyncio
import os
import random
from decimal import Decimal

from services.runtime import clock
from tests.harness.reconciled import reconciled_over_http
from tests.harness.stack import Stack, settled
from tests.harness.waiting import eventually
from tests.system.test_kills import CALLERS, VICTIMS, Caller

SECONDS = float(os.environ.get("SCRIP_TEST_KILLS_SECONDS", "12"))  # noqa: TID251 (a test's own setting)
SEED = int(os.environ.get("SCRIP_TEST_KILLS_SEED", "1"))  # noqa: TID251
PAUSES = (1.0, 5.0)
GRANT = Decimal(10_000)
COST = Decimal("0.011")


async def test_whatever_dies_every_job_ends_once(stack: Stack) -> None:
    """Each key leads to one job, each job succeeds and costs what it should, and nothing is left over."""
    print(f"SCRIP_TEST_KILLS_SEED={SEED}")
    schedule = random.Random(SEED)
    _, client = await stack.account(str(GRANT))
    caller = Caller(client)
    until = clock.monotonic() + SECONDS
    keys = iter(range(1_000_000))

    async def work() -> None:
        while clock.monotonic() < until:
            caller.jobs.append(await caller.execute(f"key-{next(keys)}"))

    async def trouble() -> None:
        while clock.monotonic() < until:
            await asyncio.sleep(schedule.uniform(*PAUSES))  # the schedule's own pause, not a wait for anything
            victim = schedule.choice(VICTIMS)
            pid = stack.kill(victim)
            await eventually(
                lambda pid=pid, victim=victim: stack.run_json["pids"][victim] != pid, 90, f"{victim} did not come back"
            )

    await asyncio.gather(trouble(), *(work() for _ in range(CALLERS)))
    await eventually(stack.is_ready, 90, "the system did not become ready again")
    assert len(set(caller.jobs)) == len(caller.jobs) == next(keys), "a key led to two jobs, or two keys to one"
    jobs = [await settled(client, job_id) for job_id in caller.jobs]
    assert {job["status"] for job in jobs} == {"SUCCEEDED"}
    assert {Decimal(job["credits"]["captured"]) for job in jobs} == {COST}

    async def adds_up() -> bool:
        credits = (await client.get("/v1/account")).json()["credits"]
        return (Decimal(credits["spent"]), Decimal(credits["reserved"])) == (COST * len(jobs), 0)

    # A reservation whose job never came to be ends by its own time, a minute.
    await eventually(adds_up, 75, "the balance does not add up")
    await reconciled_over_http(stack.admin())
