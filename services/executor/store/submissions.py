"""Accepting jobs: many in one transaction, each exactly once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb
from scrip.executor.v1 import events_pb2

from services.executor import events
from services.executor.rules.jobs import Priority, State
from services.executor.store import gates
from services.executor.store.rows import COLUMNS, InputFile, Job, job_of
from services.executor.store.statements import Connection, each, run_each
from services.executor.store.turns import TURN
from services.executor.store.waiting import CLAIMED_SECONDS
from services.runtime.event_log import EventLog
from services.runtime.postgres import Pool

_TURNS = f"""
SELECT account_id, priority, {TURN.format(account="asked.account_id", priority="asked.priority")}
  FROM unnest(%s::text[], %s::smallint[]) AS asked (account_id, priority)
"""
_INSERT = f"""
INSERT INTO job (job_id, account_id, tool, tool_version, price_version, quote, input_digest, input_json, file_count,
                 key_id, reference, labels, trace_id, reserved_micros, quoted_micros, units, round, priority,
                 state, held_until, fence, worker, created_at, concurrency, gated, keep_at, run_after, due_at,
                 cancel_after)
VALUES (%(job_id)s, %(account_id)s, %(tool)s, %(tool_version)s, %(price_version)s, %(quote)b, %(input_digest)s,
        %(input_json)b, %(file_count)s, %(key_id)s, %(reference)s, %(labels)s, %(trace_id)s, %(reserved_micros)s,
        %(quoted_micros)s, %(units)s, %(round)s, %(priority)s, 'QUEUED',
        clock_timestamp() + make_interval(secs => %(hold)s), %(fence)s, %(worker)s, clock_timestamp(),
        %(concurrency)s, %(gated)s, clock_timestamp() + make_interval(secs => %(keep)s), %(run_after)s, %(run_after)s,
        %(cancel_after)s)
ON CONFLICT ON CONSTRAINT one_row_a_job DO NOTHING
RETURNING {COLUMNS}
"""
_FILE = """
INSERT INTO job_file (job_id, property, media_type, data, file_id, size_bytes, digest)
VALUES (%(job_id)s, %(property)s, %(media_type)s, %(data)b, %(file_id)s, %(size_bytes)s, %(digest)s)
"""
_EXISTING = f"SELECT {COLUMNS} FROM job WHERE job_id = ANY(%s)"


@dataclass(frozen=True, slots=True)
class Submission:
    """A job asked for; amounts in microcredits."""

    job_id: str
    account_id: str
    tool: str
    tool_version: int
    price_version: int
    quote: bytes
    input_digest: str
    input_json: bytes
    files: tuple[InputFile, ...]
    key_id: str
    reference: str
    labels: dict[str, str]
    trace_id: str
    reserved_micros: int
    quoted_micros: int
    units: dict[str, int]
    concurrency: int
    """Jobs of the account that this tool lets run at once; 0: any."""
    actor: str
    priority: Priority = Priority.INTERACTIVE
    run_after: datetime | None = None
    """Not to begin before."""
    cancel_after: datetime | None = None
    """To be canceled where it has not ended by then."""

    @property
    def gated(self) -> bool:
        """Whether it is made outside the queue: delayed, or before a gate."""
        return self.concurrency > 0 or self.run_after is not None

    @property
    def line(self) -> tuple[str, Priority]:
        """Whose turns in the queue it takes."""
        return self.account_id, self.priority


@dataclass(frozen=True, slots=True)
class Accepted:
    """The job of a submission as it is now."""

    job: Job
    replayed: bool
    """It was there before."""
    claimed: bool = False
    """This executor holds it already."""


async def accept(
    pool: Pool, log: EventLog, submissions: Sequence[Submission], worker: str, claim_max: int, lease_seconds: float
) -> list[Accepted]:
    """Makes the jobs that are not there yet, with their events; answers one job a submission, in order.

    The first `claim_max` new ones that have no gate are held by `worker` from birth, which saves them the way through
    the queue. A job whose id is there is answered as it is, whoever asked: the caller compares account and content.
    """
    first: dict[str, Submission] = {}
    for submission in submissions:
        first.setdefault(submission.job_id, submission)
    # Rows are inserted in the order of their ids, so that two executors given the same jobs wait in one direction.
    wanted = [first[job_id] for job_id in sorted(first)]
    async with pool.connection() as connection, connection.transaction():
        turns = await _turns(connection, wanted)
        parameters = []
        free = claim_max
        for submission in wanted:
            claimed = free > 0 and not submission.gated
            free -= claimed
            parameters.append(
                _parameters(submission)
                | {"round": turns[submission.line]}
                | {"fence": int(claimed), "worker": worker if claimed else "", "hold": lease_seconds * claimed}
                | {"keep": CLAIMED_SECONDS * claimed}
            )
            turns[submission.line] += not claimed and not submission.gated
        rows = await each(connection, _INSERT, parameters)
        new = {row[0]: job_of(row) for row in rows if row is not None}
        await run_each(connection, _FILE, [file for item in wanted if item.job_id in new for file in _files(item)])
        known = dict(new)
        if len(new) < len(wanted):
            found = await connection.execute(_EXISTING.encode(), ([item.job_id for item in wanted],))
            known |= {job.job_id: job for job in map(job_of, await found.fetchall())}
        await gates.open_for(connection, new.values())
        await log.append(
            connection,
            [
                events.of(job, events_pb2.EVENT_KIND_JOB_QUEUED, "SUBMITTED", first[job_id].actor)
                for job_id, job in new.items()
            ],
        )
    answered: set[str] = set()
    accepted = []
    for submission in submissions:
        job_id = submission.job_id
        is_new = job_id in new and job_id not in answered
        answered.add(job_id)
        job = known[job_id]
        accepted.append(Accepted(job, not is_new, is_new and job.fence > 0 and job.state is State.QUEUED))
    return accepted


async def _turns(connection: Connection, submissions: Sequence[Submission]) -> dict[tuple[str, Priority], int]:
    lines = sorted({submission.line for submission in submissions})
    asked = ([account_id for account_id, _ in lines], [int(priority) for _, priority in lines])
    found: list[Any] = await (await connection.execute(_TURNS.encode(), asked)).fetchall()
    return {(account_id, Priority(priority)): turn for account_id, priority, turn in found}


def _parameters(submission: Submission) -> dict[str, Any]:
    return {
        "job_id": submission.job_id,
        "account_id": submission.account_id,
        "tool": submission.tool,
        "tool_version": submission.tool_version,
        "price_version": submission.price_version,
        "quote": submission.quote,
        "input_digest": submission.input_digest,
        "input_json": submission.input_json,
        "file_count": len(submission.files),
        "key_id": submission.key_id,
        "reference": submission.reference,
        "labels": Jsonb(submission.labels),
        "trace_id": submission.trace_id,
        "reserved_micros": submission.reserved_micros,
        "quoted_micros": submission.quoted_micros,
        "units": Jsonb(submission.units),
        "concurrency": submission.concurrency,
        "gated": submission.gated,
        "priority": int(submission.priority),
        "run_after": submission.run_after,
        "cancel_after": submission.cancel_after,
    }


def _files(submission: Submission) -> list[dict[str, Any]]:
    return [
        {
            "job_id": submission.job_id,
            "property": file.property,
            "media_type": file.media_type,
            "data": file.data,
            "file_id": file.stored.file_id if file.stored else "",
            "size_bytes": file.stored.size_bytes if file.stored else 0,
            "digest": file.stored.digest if file.stored else "",
        }
        for file in submission.files
    ]
