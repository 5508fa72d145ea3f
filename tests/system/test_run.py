"""`scrip run`: one command starts everything, Ctrl-C ends everything, data stay."""

import stat
from pathlib import Path

import psutil
import pytest

from tests.harness.stack import Stack
from tests.harness.waiting import eventually

NAMES = {"gateway", "catalog", "ledger", "executor", "analytics", "postgres", "nats"}


async def test_data_survive_a_restart_and_nothing_else_is_left(tmp_path: Path) -> None:
    """Ctrl-C ends every process with status 0; the next run has the same account, keys, balance and jobs."""
    stack = Stack(tmp_path / "data")
    await stack.start()
    told = stack.run_json
    assert set(told["pids"]) == NAMES
    assert stat.S_IMODE((stack.folder / "run.json").stat().st_mode) == 0o600
    assert told["demo_account"] == "demo"
    await eventually(lambda: "Ctrl-C stops it" in stack.output(), 10)
    for word in (told["http_url"], told["demo_key"], told["admin_key"]):
        assert word in stack.output()
    client = stack.demo()
    job = (await client.post("/v1/tools/echo/execute", json={"input": {"message": "hi"}})).json()
    await stack.close_clients()
    family = [process.pid for process in psutil.Process(stack.process.pid).children(recursive=True)]
    assert await stack.stop() == 0
    await eventually(lambda: not [pid for pid in family if psutil.pid_exists(pid)], 10, "processes are left")
    assert not (stack.folder / "run.json").exists()

    await stack.start()
    try:
        again = stack.run_json
        assert (again["demo_key"], again["admin_key"]) == (told["demo_key"], told["admin_key"])
        client = stack.demo()
        found = (await client.get(f"/v1/jobs/{job['job_id']}")).json()
        assert [attempt["ending"] for attempt in found.pop("attempts")] == ["ANSWERED"]
        assert found == job
        credits = (await client.get("/v1/account")).json()["credits"]
        assert (credits["granted"], credits["spent"]) == ("1000", "0.01")
    finally:
        await stack.close_clients()
        await stack.stop()


async def test_two_run_side_by_side(tmp_path: Path) -> None:
    """Each has its own folder, ports and credits."""
    stacks = [Stack(tmp_path / name) for name in ("one", "two")]
    try:
        for stack in stacks:
            await stack.start()
        first, second = [stack.demo() for stack in stacks]
        await first.post("/v1/tools/echo/execute", json={"input": {"message": "hi"}})
        assert (await first.get("/v1/account")).json()["credits"]["spent"] == "0.01"
        assert (await second.get("/v1/account")).json()["credits"]["spent"] == "0"
        stranger = await stacks[1].client(stacks[0].run_json["demo_key"]).get("/v1/account")
        assert stranger.status_code == 401
    finally:
        for stack in stacks:
            await stack.close_clients()
            await stack.stop()


@pytest.mark.parametrize("victim", ["ledger", "postgres"])
async def test_readiness_tells_the_truth(stack: Stack, victim: str) -> None:
    """While a part is down `/readyz` is not 200, and it is again once the part was started anew."""
    assert await stack.is_ready()
    pid = stack.kill(victim)

    async def is_unready() -> bool:
        return not await stack.is_ready()

    await eventually(is_unready, 10)
    await eventually(lambda: stack.run_json["pids"][victim] != pid, 60)
    await eventually(stack.is_ready, 60)
