"""One shard in memory: the fold of its log, and the batch that is being decided on top of it."""

import heapq
from dataclasses import dataclass

from scrip.ledger.v1 import events_pb2 as pb

from services.ledger.domain import errors
from services.ledger.domain.account import Account, Grant, RequestRecord, Reservation
from services.ledger.domain.commands import (
    CaptureReservation,
    Command,
    ExtendReservation,
    GrantCredits,
    OpenAccount,
    ReleaseReservation,
    ReserveCredits,
)
from services.ledger.domain.decide import decide, due
from services.ledger.domain.events import Event, RequestRefused
from services.ledger.domain.evolve import evolve
from services.ledger.store import codec
from services.ledger.store.log import Commit
from services.runtime import chain

BATCH_EVENTS_MAX = 4_096
BATCH_BYTES_MAX = 512 * 1024
# Lapses of accounts that no command of the batch touches.
IDLE_LAPSES_MAX = 1_000


@dataclass(slots=True)
class Answer:
    """What a command led to. `subject` is a copy of what it was about, as it stood then."""

    subject: Account | Grant | Reservation
    replayed: bool
    # Position of the command's event within its shard; 0 where it made none.
    position: int


@dataclass(slots=True)
class Recorded:
    """A replay whose first answer must be read back from the log."""

    seq: int
    index: int


@dataclass(slots=True)
class Refused:
    """Why a command was not done."""

    error: errors.CommandRefusedError


Result = Answer | Recorded | Refused


class BrokenChainError(Exception):
    """The log does not fit together; nothing may be appended to what it says."""


class Shard:
    """Memory of one shard. `fold` follows the log; `execute` runs ahead of it until the batch is committed."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.seq = 0
        self.hash = chain.GENESIS_HASH
        self.next_position = 1
        self.at = 0
        self.accounts: dict[str, Account] = {}
        # A heap of (time, account): when something may lapse somewhere.
        self._deadlines: list[tuple[int, str]] = []
        # The entry of each account that counts; others are passed over when they come up.
        self._watched: dict[str, int] = {}
        self._events: list[Event] = []
        self._bytes = 0

    def fold(self, commit: Commit) -> None:
        """Applies the next commit of the log; raises where it is not the next one or its hash does not fit."""
        if (commit.seq, commit.first_position) != (self.seq + 1, self.next_position):
            raise BrokenChainError(f"shard {self.number}: after commit {self.seq} came {commit.seq}")
        digest = chain.link(
            self.hash,
            self.number,
            commit.seq,
            commit.first_position,
            commit.n,
            commit.at,
            commit.writer,
            commit.body,
        )
        if digest != commit.hash:
            raise BrokenChainError(f"shard {self.number}: the hash of commit {commit.seq} does not fit")
        batch = pb.EventBatch.FromString(commit.body)
        for index, event in enumerate(batch.events):
            self._evolve(codec.decode(event), commit.at, commit.seq, index)
        self.seq, self.hash, self.at = commit.seq, commit.hash, commit.at
        self.next_position += commit.n

    @property
    def next_deadline(self) -> int | None:
        """When something may lapse next, in microseconds since the Unix epoch."""
        return self._deadlines[0][0] if self._deadlines else None

    @property
    def is_full(self) -> bool:
        """Whether the batch must be committed before another command is decided."""
        return len(self._events) >= BATCH_EVENTS_MAX - 8 or self._bytes >= BATCH_BYTES_MAX - 16_384

    @property
    def has_events(self) -> bool:
        """Whether memory is ahead of the log."""
        return bool(self._events)

    def begin(self, at: int) -> None:
        """Begins a batch at a time not before the last one; applies what lapsed in the meantime."""
        self.at = max(self.at, at)
        self._events = []
        self._bytes = 0
        for _ in range(IDLE_LAPSES_MAX):
            if not self._deadlines or self._deadlines[0][0] > self.at or self.is_full:
                return
            moment, account_id = heapq.heappop(self._deadlines)
            if self._watched.get(account_id) == moment:
                del self._watched[account_id]
                self._lapse(self.accounts[account_id])

    def execute(self, command: Command) -> Result | None:
        """Decides one command on top of the batch; None when what is due on its account fills the batch already."""
        account = self.accounts.get(command.account_id)
        try:
            if account is not None:
                if not self._lapse(account):
                    return None
                record = account.requests.get(command.cause.request_id)
                if record is not None:
                    if record.fingerprint != command.cause.fingerprint:
                        raise errors.RequestIdReusedError(request_id=command.cause.request_id)
                    return self._replayed(account, command, record)
            event = decide(account, command, self.at)
        except errors.CommandRefusedError as error:
            return Refused(error)
        position = 0
        if event is not None:
            position = self.next_position + len(self._events)
            self._append(event)
            account = self.accounts[command.account_id]
            if isinstance(event, RequestRefused):
                return Refused(insufficient(event))
            answer = Answer(_subject(account, command), False, position)
            # What a release or final capture gave back to a grant that is past its time lapses at once.
            self._lapse(account)
            return answer
        if account is None:
            raise AssertionError("without an account there is an event or a refusal")
        already_there = isinstance(command, OpenAccount | ReserveCredits)
        return Answer(_subject(account, command), already_there, position)

    def close(self, writer: str) -> Commit:
        """The batch as the commit that follows what was folded; memory counts as folded once it is durable."""
        batch = pb.EventBatch(
            shard=self.number,
            seq=self.seq + 1,
            first_position=self.next_position,
            previous_hash=self.hash,
            writer=writer,
        )
        batch.recorded_at.FromMicroseconds(self.at)
        for event in self._events:
            codec.add(batch, event)
        body = batch.SerializeToString()
        n = len(self._events)
        digest = chain.link(self.hash, self.number, batch.seq, batch.first_position, n, self.at, writer, body)
        return Commit(self.number, batch.seq, batch.first_position, n, self.at, writer, self.hash, digest, body)

    def committed(self, commit: Commit) -> None:
        """The log now holds the batch."""
        self.seq, self.hash = commit.seq, commit.hash
        self.next_position += commit.n
        self._events = []

    def _replayed(self, account: Account, command: Command, record: RequestRecord) -> Result:
        """A reservation's replay answers its present state; others, and refusals, the first answer."""
        if record.refused or isinstance(command, OpenAccount | GrantCredits):
            return Recorded(record.seq, record.index)
        return Answer(_subject(account, command), True, 0)

    def _lapse(self, account: Account) -> bool:
        """Applies what is due on an account; false when the batch is full before all is."""
        done = True
        while (event := due(account, self.at)) is not None:
            if self.is_full:
                done = False
                break
            self._append(event)
        self._watch(account)
        return done

    def _append(self, event: Event) -> None:
        self._evolve(event, self.at, self.seq + 1, len(self._events))
        self._events.append(event)
        self._bytes += codec.size_estimate(event)

    def _evolve(self, event: Event, at: int, seq: int, index: int) -> None:
        account = evolve(self.accounts.get(event.account_id), event, at, seq, index)
        self.accounts[event.account_id] = account
        self._watch(account)

    def _watch(self, account: Account) -> None:
        if account.deadlines:
            first = account.deadlines[0][0]
            if self._watched.get(account.account_id) != first:
                self._watched[account.account_id] = first
                heapq.heappush(self._deadlines, (first, account.account_id))
                self._forget_idle_deadlines()

    def _forget_idle_deadlines(self) -> None:
        """Drops entries that no longer count, once they are most of the heap; a grant's may lie years ahead."""
        if len(self._deadlines) > 64 + 4 * len(self._watched):
            self._deadlines = [(moment, account_id) for account_id, moment in self._watched.items()]
            heapq.heapify(self._deadlines)


def _subject(account: Account, command: Command) -> Account | Grant | Reservation:
    match command:
        case OpenAccount():
            return account
        case GrantCredits():
            return account.grants[len(account.grants)].copy()
        case ReserveCredits() | ExtendReservation() | CaptureReservation() | ReleaseReservation():
            reservation = account.reservation(command.reservation_id)
            if reservation is None:
                raise AssertionError("a reservation command that was decided has its reservation")
            return reservation.copy()


def insufficient(event: RequestRefused) -> errors.CommandRefusedError:
    """The refusal that a recorded one stands for."""
    return errors.InsufficientCreditsError(
        required_micros=event.amount, available_micros=event.available_after, reserved_micros=event.reserved_after
    )
