"""Files of outputs in database and object store, and contents of jobs, from the outcome to their removal."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from scrip.executor.v1 import events_pb2

from services.executor import events
from services.executor.output_contents import OutputContents
from services.executor.output_files import OutputFiles
from services.executor.rules.jobs import Retry, Settlement, State, Transition
from services.executor.rules.output_files import OutputFile
from services.executor.store import attempts, cached, claims, contents, output_files, queries, settlements, submissions
from services.executor.store.attempts import Beginning
from services.executor.store.output_files import object_name
from services.executor.store.rows import InputFile, Job
from services.executor.store.settlements import Settled
from services.runtime import ids, lifecycle, postgres
from services.runtime.broker import Broker
from services.runtime.errors import Refusal
from services.runtime.event_log import EventLog
from services.runtime.objects import Objects, Stored
from services.runtime.postgres import Pool
from services.runtime.topology import OUTPUTS_BUCKET, object_stream
from tests.executor.samples import submission
from tests.harness.databases import Database, Databases
from tests.harness.waiting import eventually

CONTENT = timedelta(days=30)
DATA = ids.random_bytes(700_001)


@dataclass
class World:
    """Jobs and their files, in both places."""

    pool: Pool
    database: Database
    broker: Broker
    log: EventLog
    objects: Objects

    def __post_init__(self) -> None:
        self.contents = OutputContents(self.pool, self.objects)
        self.files = OutputFiles(self.pool, self.contents, CONTENT)

    def query(self, statement: str, *parameters: object) -> list[Any]:
        """Rows, as the superuser."""
        with psycopg.connect(self.database.owner_dsn, autocommit=True) as connection:
            found = connection.execute(statement.encode(), parameters or None)
            return found.fetchall() if found.description else []

    async def running(self, **members: Any) -> Job:
        """A job in its attempt."""
        await submissions.accept(self.pool, self.log, [replace(submission(), **members)], "me", 0, 15)
        (claim,) = await claims.claim(self.pool, "me", 1, 15)
        (job,) = await attempts.begin(
            self.pool, self.log, [Beginning(claim.job.job_id, claim.job.fence, "me", Retry.SAFE, 20, 15)]
        )
        assert job
        return job

    async def made(self, data: bytes = DATA, **members: Any) -> tuple[Job, OutputFile]:
        """A job that has ended with a file."""
        job = await self.running(**members)
        step = succeeded(job, data)
        (ended,) = await attempts.move(self.pool, self.log, [step])
        assert ended
        return ended, step.output_files[0]

    async def settle(self, job: Job) -> Job:
        """What the ledger said of a job is written."""
        settled = Settled(job.job_id, Settlement.SETTLED)
        (written,) = await settlements.settle(self.pool, self.log, [settled], CONTENT)
        return written

    async def read(self, file: OutputFile) -> bytes:
        """Its content, as its account gets it."""
        found = await self.files.get("acme", file.file_id)
        return b"".join([piece async for piece in self.files.read(found)])

    async def is_gone(self, file: OutputFile) -> bool:
        """Whether its account does not find it."""
        return not await self.files.find("acme", [file.file_id])

    async def messages(self) -> int:
        """How many messages the object store has."""
        client = self.broker.client
        assert client
        return (await client.jetstream().stream_info(object_stream(OUTPUTS_BUCKET))).state.messages


def succeeded(job: Job, data: bytes = DATA, cache_seconds: float = 0) -> Transition:
    file = OutputFile(f"out_{ids.uuid7()}", "/a", "image/png", hashlib.sha256(data).hexdigest(), data)
    return Transition(
        *(job.job_id, job.fence, State.RUNNING, State.SUCCEEDED, "ANSWERED"),
        output_json=b'{"a":1}',
        output_files=(file,),
        cache_seconds=cache_seconds,
    )


@pytest.fixture
async def world(databases: Databases, nats_url: str) -> AsyncIterator[World]:
    database = databases.create("executor")
    broker = Broker(nats_url, "test")
    log = EventLog(events_pb2.EventBatch, events.SHARDS, "test")
    async with postgres.open_pool(database.dsn, "executor") as pool, lifecycle.background(broker.keep_connected):
        await eventually(lambda: broker.client)
        yield World(pool, database, broker, log, Objects(broker, OUTPUTS_BUCKET))
        await broker.close()
    databases.drop(database)


async def test_files_are_written_with_the_outcome_once(world: World) -> None:
    """Said again it is the same; under a fence that is over there is neither outcome nor file."""
    job = await world.running()
    step = succeeded(job)
    assert await attempts.move(world.pool, world.log, [replace(step, fence=99)]) == [None]
    assert world.query("SELECT count(*) FROM output_file") == [(0,)]
    first = await attempts.move(world.pool, world.log, [step])
    assert await attempts.move(world.pool, world.log, [step]) == first
    assert world.query("SELECT job_id, account_id, size_bytes, digest FROM output_file") == [
        (job.job_id, "acme", len(DATA), hashlib.sha256(DATA).hexdigest())
    ]
    assert await world.read(step.output_files[0]) == DATA


async def test_a_file_is_its_accounts_own(world: World) -> None:
    """To another it is not there, to be read, kept or deleted."""
    _, file = await world.made()
    assert await world.files.find("other", [file.file_id], keep=True) == {}
    for refused in (world.files.get("other", file.file_id), world.files.delete("other", file.file_id)):
        with pytest.raises(Refusal, match="FILE_NOT_FOUND"):
            await refused
    assert not await world.is_gone(file)


async def test_a_file_moves_while_it_is_read(world: World) -> None:
    """Who began in the database goes on in the object store."""
    _, file = await world.made()
    found = await world.files.get("acme", file.file_id)
    pieces = world.files.read(found)
    begun = await anext(pieces)
    assert await world.contents.waiting() == 1
    assert await world.contents.move_one()
    assert await world.contents.waiting() == 0
    assert begun + b"".join([piece async for piece in pieces]) == DATA
    assert world.query("SELECT data, takes FROM output_file") == [(None, 1)]
    assert await world.read(file) == DATA
    assert not await world.contents.move_one()


async def test_who_dies_over_a_move_is_followed_by_another(world: World) -> None:
    """After a while; what the first has begun is not left."""
    _, file = await world.made()
    taken = await output_files.take(world.pool, timedelta(seconds=60))
    assert taken
    await world.objects.put(object_name(file.file_id, 1), _once(DATA[:400_000]))
    assert not await world.contents.move_one(), "it is held"
    world.query("UPDATE output_file SET held_until = now()")
    assert await world.contents.move_one()
    assert await world.read(file) == DATA
    assert await world.messages() == 4, "three pieces and what is said of them"


async def test_who_is_late_with_a_move_spoils_nothing(world: World) -> None:
    """Each writes an object of its own, and only the last one becomes the file."""
    _, file = await world.made()
    late = await output_files.take(world.pool, timedelta(0))
    assert late
    assert await world.contents.move_one()
    await world.objects.put(object_name(file.file_id, late.take), _once(b"other"))
    assert not await output_files.moved(world.pool, late)
    assert await world.read(file) == DATA


async def test_without_the_object_store_a_file_stays(world: World) -> None:
    """And nobody holds it then."""

    class Full(Objects):
        async def put(self, name: str, chunks: AsyncIterator[bytes]) -> Stored:
            raise Refusal("UPSTREAM_UNAVAILABLE", "full")

    _, file = await world.made()
    with pytest.raises(Refusal, match="full"):
        await OutputContents(world.pool, Full(world.broker, OUTPUTS_BUCKET)).move_one()
    assert await world.read(file) == DATA
    assert await world.contents.move_one()


async def test_a_deleted_file_leaves_nothing(world: World) -> None:
    """Whether it has moved or not; its job still has its output."""
    job, moved = await world.made()
    assert await world.contents.move_one()
    _, here = await world.made()
    for file in (moved, here):
        await world.files.delete("acme", file.file_id)
        assert await world.is_gone(file)
    assert not await world.contents.move_one()
    assert await world.contents.delete_some(10) == 2
    assert (world.query("SELECT * FROM output_file"), await world.messages()) == ([], 0)
    assert await queries.outputs(world.pool, [job.job_id]) == {job.job_id: b'{"a":1}'}


async def test_what_is_being_moved_is_not_deleted_under_it(world: World) -> None:
    """Or its object would be left."""
    _, file = await world.made()
    await output_files.take(world.pool, timedelta(seconds=60))
    await world.files.delete("acme", file.file_id)
    assert await world.contents.delete_some(10) == 0
    world.query("UPDATE output_file SET held_until = now()")
    assert await world.contents.delete_some(10) == 1


async def test_contents_are_removed_some_time_after_the_settlement(world: World) -> None:
    """Never before; the record stays, and says when."""
    given = (InputFile("pdf", "application/pdf", b"x"),)
    job, file = await world.made(files=given)
    with pytest.raises(psycopg.errors.CheckViolation, match="contents_expire_once_settled"):
        world.query("UPDATE job SET content_expires_at = now()")
    settled = await world.settle(job)
    assert settled.content_expires_at and settled.finished_at
    assert CONTENT <= settled.content_expires_at - settled.finished_at < CONTENT + timedelta(minutes=1)
    assert (await world.files.get("acme", file.file_id)).expires_at == settled.content_expires_at
    assert await contents.remove(world.pool, 10) == 0
    world.query("UPDATE job SET content_expires_at = now()")
    assert await contents.remove(world.pool, 10) == 1
    assert await contents.remove(world.pool, 10) == 0
    assert world.query("SELECT input_json, output_json, content_removed_at IS NULL FROM job") == [(b"", None, False)]
    assert world.query("SELECT * FROM job_file") == []
    after = (await queries.jobs(world.pool, [job.job_id]))[job.job_id]
    assert (after.state, after.input_digest, after.attempts) == (State.SUCCEEDED, job.input_digest, 1)
    assert len(await queries.attempts(world.pool, job.job_id)) == 1
    assert await world.is_gone(file)
    assert await world.contents.delete_some(10) == 1


async def test_contents_are_removed_in_bounded_batches(world: World) -> None:
    """The oldest first; two executors do not wait for each other."""
    for _ in range(5):
        await world.settle((await world.made(b"x" * 70_000))[0])
    world.query("UPDATE job SET content_expires_at = now()")
    assert await contents.remove(world.pool, 2) == 2
    assert sum(await asyncio.gather(*(contents.remove(world.pool, 2) for _ in range(3)))) == 3


async def test_a_file_that_is_used_outlives_its_job(world: World) -> None:
    """For as long as a job may be put off; then it goes."""
    job, file = await world.made()
    await world.settle(job)
    world.query("UPDATE job SET content_expires_at = now()")
    kept = await world.files.find("acme", [file.file_id], keep=True)
    await contents.remove(world.pool, 10)
    assert (await world.files.get("acme", file.file_id)).expires_at == kept[file.file_id].expires_at
    assert await world.contents.delete_some(10) == 0
    assert await world.read(file) == DATA
    world.query("UPDATE output_file SET kept_until = now()")
    assert await world.is_gone(file)
    assert await world.contents.delete_some(10) == 1


async def test_an_output_is_kept_as_long_as_it_is_given_again(world: World) -> None:
    """However soon contents are removed; one with files is not given again, since these are its own job's."""
    job = await world.running()
    plain = replace(succeeded(job, cache_seconds=90 * 86_400), output_files=())
    (ended,) = await attempts.move(world.pool, world.log, [plain])
    assert ended
    settled = await world.settle(ended)
    assert world.query("SELECT cached_until FROM job") == [(settled.content_expires_at,)]
    with pytest.raises(psycopg.errors.CheckViolation, match="contents_expire_after_they_are_given_again"):
        world.query("UPDATE job SET content_expires_at = now()")
    assert await cached.output_like(world.pool, ended) == b'{"a":1}'
    other = await world.running(input_digest="ab" * 32)
    (with_file,) = await attempts.move(world.pool, world.log, [succeeded(other, cache_seconds=86_400)])
    assert with_file
    assert await cached.output_like(world.pool, with_file) is None


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content
