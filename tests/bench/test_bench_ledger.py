"""Every measurement of the ledger, with numbers so small that they say nothing but that it works."""

import json
from pathlib import Path

import pytest

from bench.ledger.ground import Ground
from bench.ledger.measurements import MEASUREMENTS
from bench.ledger.size import Size
from services.cli.local import postgres
from tests.harness.databases import Databases

TINY = Size(
    seconds=0.05,
    warm_up_seconds=0.01,
    callers=(4,),
    accounts=20,
    accounts_many=60,
    bulk_commands=40,
    bulk_calls=4,
    pgbench_scale=1,
    singles=5,
    log_events=200,
    memory_objects=200,
    memory_ids=2_000,
    grants=(1, 3),
    reservations=(1, 50),
    failovers=1,
    # One kill, half a second after the load began.
    crash_seconds=1.0,
    crash_callers=2,
)
LINES = {
    "engine": [
        *("ledger.engine.4.cold", "ledger.engine.4.hot", "ledger.engine.hot_over_cold", "ledger.engine.1.p50"),
    ],
    "bulk": ["ledger.bulk.40"],
    "wal": ["ledger.wal"],
    "replay": ["ledger.replay"],
    "memory": [f"ledger.memory.{what}" for what in ("account", "grants5", "reservation", "request_id")],
    "growth": ["ledger.growth", "ledger.growth.load", "ledger.growth.load.snapshot"],
    "grants": ["ledger.grants.1", "ledger.grants.3"],
    "reservations": ["ledger.reservations.1", "ledger.reservations.50"],
    "rivals": ["ledger.rivals.4"],
    "routed": ["ledger.routed.4"],
    "failover": ["ledger.failover"],
    "grpc": ["ledger.grpc.bulk.40x2"],
    "singles": [
        *("ledger.grpc.unary.4", "ledger.unary.reserve.p50", "ledger.unary.reserve.p99", "ledger.unary.reserve.p999"),
        *("ledger.reads.current", "ledger.reads.stale", "ledger.grpc.batcher.4"),
    ],
    "crash": [f"ledger.crash.{what}" for what in ("kills", "lost", "double", "negative", "stale", "inconsistent")],
}


def told(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("name", MEASUREMENTS)
async def test_a_measurement_tells_its_figures(
    name: str,
    postgres_server: postgres.Server,
    databases: Databases,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each measurement prints its lines, each with a value and the floor it is held against; crash finds no fault."""
    await MEASUREMENTS[name](Ground(postgres_server, databases, tmp_path), TINY)
    lines = told(capsys)
    assert [line["name"] for line in lines] == LINES[name]
    for line in lines:
        assert {"value", "unit", "floor", "ratio", "n", "environment"} < line.keys()
        if line["unit"] == "faults":
            assert line["value"] == 0, line
        elif name != "crash":
            assert line["value"] and line["floor"] and line["ratio"], line
