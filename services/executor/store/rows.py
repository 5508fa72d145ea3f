"""Rows of the job table as the program holds them, without their contents (input, files, output)."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any

from services.executor.rules.jobs import ENDED, Priority, Settlement, State

# How long the executor that wrote an outcome has its settlement to itself.
SETTLE_HOLD = timedelta(seconds=10)


@dataclass(slots=True)
class Job:
    """One row; amounts in microcredits."""

    job_id: str
    account_id: str
    tool: str
    tool_version: int
    price_version: int
    input_digest: str
    key_id: str
    reference: str
    labels: dict[str, str]
    trace_id: str
    reserved_micros: int
    quoted_micros: int
    state: State
    fence: int
    attempts: int
    losses: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    duration_ms: int
    units: dict[str, int]
    error_reason: str
    error_message: str
    charge_micros: int
    shortfall_micros: int
    captured_micros: int
    settlement: Settlement
    settlement_reason: str
    settle_tries: int
    provider_request_id: str
    provider_status: int
    concurrency: int
    priority: Priority
    run_after: datetime | None
    cancel_after: datetime | None
    cancel_requested_at: datetime | None
    wished_by: str
    wished_key_id: str
    wished_reason: str
    indeterminate_at: datetime | None
    inspections: int
    content_expires_at: datetime | None
    """From when input, output and files are removed; None until it is settled."""
    content_removed_at: datetime | None

    def __post_init__(self) -> None:
        self.priority = Priority(self.priority)
        self.state = State(self.state)
        self.settlement = Settlement(self.settlement)

    @property
    def has_ended(self) -> bool:
        """Whether its state is for ever."""
        return self.state in ENDED

    @property
    def is_over(self) -> bool:
        """Whether nothing will change any more: ended, and the ledger has had its say."""
        return self.has_ended and self.settlement is not Settlement.PENDING

    @property
    def capture_micros(self) -> int:
        """What the ledger shall capture."""
        return self.charge_micros - self.shortfall_micros


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of an input that is in the object store."""

    file_id: str
    size_bytes: int
    digest: str
    """SHA-256 of its content, hex."""


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file of an input: its content, or where that is."""

    property: str
    media_type: str
    data: bytes
    stored: StoredFile | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call of a tool for a job, without who made it."""

    number: int
    started_at: datetime
    ended_at: datetime | None
    ending: str
    """Why it ended, a stable word; empty: it is under way."""
    error_reason: str
    provider: str
    provider_request_id: str
    provider_status: int
    provider_latency_ms: int
    provider_usage: dict[str, int]


@dataclass(frozen=True, slots=True)
class Work:
    """What a provider has begun for a job."""

    answer_json: bytes
    """Its answer to the request: see providers/begun.py."""
    provider_request_id: str
    seconds_left: float
    """Of the call's time, when this was read; below zero: it is over."""


@dataclass(slots=True)
class Claim:
    """A job this executor holds, with all that running it needs."""

    job: Job
    quote: bytes
    """A serialized scrip.catalog.v1.Quote."""
    input_json: bytes
    files: dict[str, bytes] = field(default_factory=dict)
    """Content by property; of stored files only while the job runs."""
    media_types: dict[str, str] = field(default_factory=dict)
    """Of each of them."""
    work: Work | None = None
    """What its provider has begun already, and is not asked for again."""
    stored: dict[str, StoredFile] = field(default_factory=dict)
    """Where the content is, by property, of those that are stored."""

    def add(self, file: InputFile) -> None:
        """Takes a file of its input."""
        self.media_types[file.property] = file.media_type
        if file.stored:
            self.stored[file.property] = file.stored
        else:
            self.files[file.property] = file.data


NAMES = tuple(one.name for one in fields(Job))
COLUMNS = ", ".join(f"job.{name}" for name in NAMES)


def job_of(row: Sequence[Any]) -> Job:
    """The job of a row that begins with COLUMNS."""
    return Job(*row[: len(NAMES)])


def rest_of(row: Sequence[Any]) -> Sequence[Any]:
    """What follows COLUMNS in a row."""
    return row[len(NAMES) :]


def file_of(row: Sequence[Any]) -> InputFile:
    """The file of a row of property, media type, data, file id, size and digest."""
    name, media_type, data, file_id, size_bytes, digest = row
    return InputFile(name, media_type, bytes(data), StoredFile(file_id, size_bytes, digest) if file_id else None)
