"""What a request must be like before anything is done for it; each refusal names the field."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from google.protobuf.message import Message
from scrip.catalog.v1 import catalog_pb2
from scrip.executor.v1 import executor_pb2

from services.executor import events
from services.executor.rules.jobs import Priority, State, Wish
from services.executor.rules.output_files import JSON_BYTES_MAX, is_file_id
from services.executor.rules.wishes import Settling
from services.executor.store.queries import Filter, Place
from services.executor.store.rows import InputFile, Job, StoredFile
from services.executor.store.submissions import Submission
from services.runtime import clock, identity, pages, strict_json, tracing
from services.runtime.errors import Refusal, invalid

ACCOUNT = re.compile(r"^[a-z0-9][a-z0-9_-]{0,62}$")
JOB_ID = re.compile(r"^[\x21-\x7e]{1,128}$")
DIGEST = re.compile(r"^[0-9a-f]{64}$")
INPUT_BYTES_MAX = 1024 * 1024
FILES_BYTES_MAX = 3 * 1024 * 1024
# A call is given its files in memory, so this is what it may have of those that are stored.
STORED_BYTES_MAX = 64 * 1024 * 1024
FILE_IDS_MAX = 100
LABELS_MAX = 8
TEXT_CHARACTERS_MAX = 128
TIMEOUT_MS_MAX = 3_600_000
CONCURRENCY_MAX = 10_000
GRACE_SECONDS_MAX = 24 * 3600
RUN_AFTER_HOURS_MAX = 24
CANCEL_AFTER_DAYS_MAX = 30
UNITS_MAX = 2**53 - 1
_PRIORITIES = {
    executor_pb2.Job.PRIORITY_INTERACTIVE: Priority.INTERACTIVE,
    executor_pb2.Job.PRIORITY_BATCH: Priority.BATCH,
}
_STATES = {executor_pb2.Job.State.Value(f"STATE_{state}"): state for state in State}
_ENDINGS = {number: state for number, state in _STATES.items() if state in (State.SUCCEEDED, State.FAILED)}


def submission_of(request: executor_pb2.SubmitJobRequest) -> Submission:
    """The job a request asks for; raises REQUEST_INVALID or INPUT_TOO_LARGE."""
    quote = request.quote
    account_of(quote.account_id, "quote.account_id")
    _check(JOB_ID.match(quote.job_id), "quote.job_id", "must be 1 to 128 visible ASCII characters")
    _check(ACCOUNT.match(quote.tool), "quote.tool", "must be a tool's slug")
    _check(quote.version > 0, "quote.version", "must be above 0")
    _check(DIGEST.match(quote.input_digest), "quote.input_digest", "must be a SHA-256 in lower-case hex")
    _check(
        0 <= quote.amount_micros <= quote.amount_max_micros,
        "quote.amount_micros",
        "must be 0 or more and at most amount_max_micros",
    )
    _check(1 <= quote.limits.timeout_ms <= TIMEOUT_MS_MAX, "quote.limits.timeout_ms", f"must be 1 to {TIMEOUT_MS_MAX}")
    _check(
        0 <= quote.limits.concurrency <= CONCURRENCY_MAX, "quote.limits.concurrency", f"must be 0 to {CONCURRENCY_MAX}"
    )
    _check_input(request)
    _check_text("key_id", request.key_id)
    _check_text("reference", request.reference)
    _check_labels(request.labels)
    run_after, cancel_after = _time(request, "run_after"), _time(request, "cancel_after")
    _check_times(run_after, cancel_after)
    return Submission(
        job_id=quote.job_id,
        account_id=quote.account_id,
        tool=quote.tool,
        tool_version=quote.version,
        price_version=quote.price_version,
        quote=quote.SerializeToString(),
        input_digest=quote.input_digest,
        input_json=request.input_json,
        files=tuple(map(_file, request.files)),
        key_id=request.key_id,
        reference=request.reference,
        labels=dict(request.labels),
        trace_id=tracing.trace_id(),
        reserved_micros=quote.amount_max_micros,
        quoted_micros=quote.amount_micros,
        units=dict(quote.units),
        concurrency=quote.limits.concurrency,
        actor=identity.actor(),
        priority=_PRIORITIES.get(request.priority, Priority.INTERACTIVE),
        # A time that has passed delays nothing.
        run_after=run_after if run_after and run_after > clock.now() else None,
        cancel_after=cancel_after,
    )


def files_of(request: executor_pb2.GetFilesRequest) -> tuple[str, list[str]]:
    """Account and ids of the files asked for; raises REQUEST_INVALID."""
    _check(len(request.file_ids) <= FILE_IDS_MAX, "file_ids", f"must be {FILE_IDS_MAX} at most")
    return account_of(request.account_id), [file_id for file_id in request.file_ids if is_file_id(file_id)]


def grace_of(request: executor_pb2.ReconcileJobsRequest) -> float | None:
    """Seconds; None where the request leaves it to us."""
    if not request.HasField("grace"):
        return None
    seconds = request.grace.seconds + request.grace.nanos / 1e9
    _check(0 <= seconds <= GRACE_SECONDS_MAX, "grace", f"must be 0 to {GRACE_SECONDS_MAX} seconds")
    return seconds


def _time(request: Message, field: str) -> datetime | None:
    """A time of a request in UTC; None where it is not given."""
    if not request.HasField(field):
        return None
    stamp = getattr(request, field)
    try:
        found: datetime = stamp.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise invalid(field, "must be a time from the year 1 to 9999") from error
    return found


def _check_times(run_after: datetime | None, cancel_after: datetime | None) -> None:
    """A deadline that has passed is none the less taken: a job said again must be answered, whatever the time."""
    now = clock.now()
    if run_after:
        limit = now + timedelta(hours=RUN_AFTER_HOURS_MAX)
        _check(run_after <= limit, "run_after", f"must be at most {RUN_AFTER_HOURS_MAX} hours ahead")
    if cancel_after:
        limit = now + timedelta(days=CANCEL_AFTER_DAYS_MAX)
        _check(cancel_after <= limit, "cancel_after", f"must be at most {CANCEL_AFTER_DAYS_MAX} days ahead")
    if run_after and cancel_after:
        _check(cancel_after > run_after, "cancel_after", "must be after run_after")


def settling_of(request: executor_pb2.SettleJobRequest) -> Settling:
    """How an operator says that a job ended; raises REQUEST_INVALID."""
    state = _ENDINGS.get(request.state)
    if state is None:
        raise invalid("state", "must be SUCCEEDED or FAILED")
    _check(request.reason, "reason", "must say why")
    _check_text("reason", request.reason)
    _check_text("key_id", request.key_id)
    units = dict(request.units)
    _check(all(0 <= n <= UNITS_MAX for n in units.values()), "units", f"must be 0 to {UNITS_MAX} each")
    _check(state is State.SUCCEEDED or not request.output_json, "output_json", "belongs to a job that succeeded")
    output_json = request.output_json or b"{}"
    _check_size("output_json", len(output_json), JSON_BYTES_MAX)
    _check(_is_object(output_json), "output_json", "must be a UTF-8 JSON object")
    wish = Wish(identity.actor(), request.key_id, request.reason)
    return Settling(request.job_id, state, units, output_json if state is State.SUCCEEDED else b"", wish)


def wish_of(request: executor_pb2.CancelJobRequest) -> Wish:
    """Who wants a job canceled; raises REQUEST_INVALID."""
    _check_text("key_id", request.key_id)
    return Wish(identity.actor(), request.key_id)


def filter_of(request: executor_pb2.ListJobsRequest) -> Filter:
    """Which jobs a list has; raises REQUEST_INVALID."""
    account_id = account_of(request.account_id) if request.account_id else ""
    _check(not request.tool or ACCOUNT.match(request.tool), "tool", "must be a tool's slug")
    state = _STATES.get(request.state)
    return Filter(account_id, state, request.tool, _time(request, "created_before"))


def _check_input(request: executor_pb2.SubmitJobRequest) -> None:
    _check_size("input_json", len(request.input_json), INPUT_BYTES_MAX)
    _check(_is_object(request.input_json), "input_json", "must be a UTF-8 JSON object")
    _check_size("files", sum(len(file.data) for file in request.files), FILES_BYTES_MAX)
    properties = [file.property for file in request.files]
    _check(len(set(properties)) == len(properties), "files", "must be one a property")
    for file in request.files:
        _check_text("files.property", file.property)
        _check_text("files.media_type", file.media_type)
        _check_text("files.file_id", file.file_id)
        if file.file_id:
            _check(not file.data, "files.data", "must be empty where the file is stored")
            _check(file.size_bytes >= 0, "files.size_bytes", "must be 0 or more")
            _check(DIGEST.match(file.digest), "files.digest", "must be a SHA-256 in lower-case hex")
    _check_size("files.size_bytes", sum(file.size_bytes for file in request.files if file.file_id), STORED_BYTES_MAX)


def _file(file: catalog_pb2.InputFile) -> InputFile:
    stored = StoredFile(file.file_id, file.size_bytes, file.digest) if file.file_id else None
    return InputFile(file.property, file.media_type, file.data, stored)


def _is_object(content: bytes) -> bool:
    try:
        return isinstance(strict_json.loads(content), dict)
    except (ValueError, RecursionError):
        return False


def _check_size(field: str, size: int, most: int) -> None:
    if size > most:
        raise Refusal(
            "INPUT_TOO_LARGE",
            f"{field} has {size} bytes; at most {most} are taken",
            {"field": field, "limit_bytes": most, "actual_bytes": size},
        )


def _check_labels(labels: Mapping[str, str]) -> None:
    _check(len(labels) <= LABELS_MAX, "labels", f"must be {LABELS_MAX} at most")
    for name, value in labels.items():
        _check(0 < len(name) <= 64, "labels", "names must have 1 to 64 characters")
        _check_text("labels", name)
        _check_text("labels", value)


def _check_text(field: str, value: str) -> None:
    _check(len(value) <= TEXT_CHARACTERS_MAX, field, f"must have at most {TEXT_CHARACTERS_MAX} characters")
    # PostgreSQL takes no NUL, and no other control character belongs here.
    _check(all(ord(character) >= 32 for character in value), field, "must have no control characters")


def _check(holds: object, field: str, message: str) -> None:
    if not holds:
        raise invalid(field, message)


def account_of(account_id: str, field: str = "account_id") -> str:
    """An account's id; raises REQUEST_INVALID."""
    _check(ACCOUNT.match(account_id), field, f"must match {ACCOUNT.pattern}")
    return account_id


def page_token(job: Job, bound: str) -> str:
    """The token of the page that follows this job in the list that `bound` says."""
    return pages.token(bound, clock.to_us(job.created_at), job.job_id)


def place_of(token: str, bound: str) -> Place | None:
    """Where the page of a token begins; None: at the newest job. A token is good for its own list only."""
    found = pages.place(token, bound, int, str)
    if found is None:
        return None
    try:
        return Place(clock.from_us(int(found[0])), str(found[1]))
    except OverflowError as error:
        raise invalid("page_token", "is not one that was given out") from error


def cursors_of(request: executor_pb2.ReadEventsRequest) -> dict[int, int]:
    """Where a reader of events stands, by shard; raises REQUEST_INVALID."""
    cursors: dict[int, int] = {}
    for cursor in request.cursors:
        _check(cursor.shard < events.SHARDS, "cursors.shard", f"must be 0 to {events.SHARDS - 1}")
        _check(cursor.shard not in cursors, "cursors.shard", "must be there once only")
        _check(cursor.after_seq < 2**63, "cursors.after_seq", "must be below 2^63")
        cursors[cursor.shard] = cursor.after_seq
    return cursors
