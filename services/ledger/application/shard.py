"""One shard in memory: the fold of its log, and the batch that is being decided on top of it."""

import copy
from collections.abc import Sequence

from scrip.ledger.v1 import events_pb2 as pb

from services.ledger.application.batch import BYTES_MAX, Batch
from services.ledger.application.deadlines import Deadlines
from services.ledger.application.results import (
    Answer,
    BrokenChainError,
    Decided,
    NotOpen,
    Recorded,
    Refused,
    insufficient,
)
from services.ledger.domain import commands as cmd
from services.ledger.domain import errors
from services.ledger.domain.account import Account, AccountState, Reservation, Transfer
from services.ledger.domain.decide import decide
from services.ledger.domain.due import due
from services.ledger.domain.evolve import evolve
from services.ledger.domain.journal import Journal
from services.ledger.domain.request_ids import RequestIds, key_of, key_of_ended, parse_place, place_of
from services.ledger.domain.request_ids import Row as RequestIdRow
from services.ledger.store.log import Commit
from services.runtime import chain

# Lapses of accounts that no command of the batch touches.
IDLE_LAPSES_MAX = 1_000

_REFUSED = pb.EVENT_KIND_REQUEST_REFUSED
_SENT = pb.EVENT_KIND_TRANSFER_SENT
_CAPTURED = pb.EVENT_KIND_RESERVATION_CAPTURED
_REJECTED = pb.EVENT_KIND_TRANSFER_REJECTED
_ENDINGS = frozenset(
    {
        _CAPTURED,
        pb.EVENT_KIND_RESERVATION_RELEASED,
        pb.EVENT_KIND_RESERVATION_EXPIRED,
    }
)
_RESERVATION_COMMANDS = (cmd.ReserveCredits, cmd.CaptureReservation, cmd.ReleaseReservation, cmd.ExtendReservation)


class Shard:
    """Memory of one shard. `fold` follows the log; `execute` runs ahead until the batch is committed or undone."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.seq = 0
        self.hash = chain.GENESIS_HASH
        self.next_position = 1
        self.at = 0
        self.accounts: dict[str, Account] = {}
        self.request_ids = RequestIds()
        # Accounts from which credits may be on their way.
        self.senders: set[str] = set()
        self._deadlines = Deadlines()
        self._journal = Journal()
        self._opened: list[str] = []
        # The batch in hand, and its time.
        self._batch = Batch()
        self.now = 0

    # ---- following the log

    def fold(self, commit: Commit) -> None:
        """Applies the next commit of the log; raises where it is not the next one or its hash does not fit."""
        if (commit.seq, commit.first_position) != (self.seq + 1, self.next_position):
            raise BrokenChainError(f"shard {self.number}: after commit {self.seq} came {commit.seq}")
        digest = chain.link(
            self.hash, self.number, commit.seq, commit.first_position, commit.n, commit.at, commit.writer, commit.body
        )
        if digest != commit.hash:
            raise BrokenChainError(f"shard {self.number}: the hash of commit {commit.seq} does not fit")
        self.apply(pb.EventBatch.FromString(commit.body).events, commit.seq, commit.at)
        self.seq, self.hash, self.at = commit.seq, commit.hash, commit.at
        self.next_position += commit.n
        self.request_ids.forget(self.at)

    def apply(self, events: Sequence[pb.Event], seq: int, at: int) -> None:
        """Applies durable events of one commit."""
        accounts = self.accounts
        ids: list[RequestIdRow] = []
        for index, event in enumerate(events):
            account_id, kind = event.account_id, event.kind
            known = accounts.get(account_id)
            ended = _ended_by(known, event, at) if kind in _ENDINGS else None
            account = evolve(known, event, at)
            if known is None:
                # One string for the key and the account.
                accounts[account.account_id] = account
            request_id = event.request_id
            if request_id:
                fingerprint = int.from_bytes(event.fingerprint, "big")
                place = place_of(seq, index, kind == _REFUSED)
                ids.append((key_of(account_id, request_id), fingerprint, place, event.remember_until))
            if ended is not None:
                ids.append((ended[0], ended[1], place_of(seq, index, False), ended[2]))
            if kind == _SENT:
                self.senders.add(account_id)
            if account.deadlines:
                self._watch(account)
        self.request_ids.add(ids, at)

    def restore(self, account: Account) -> None:
        """Takes in an account as a snapshot has it."""
        self.accounts[account.account_id] = account
        if account.transfers:
            self.senders.add(account.account_id)
        self._watch(account)

    # ---- running ahead of it

    @property
    def next_deadline(self) -> int | None:
        """When something may lapse next, in microseconds since the Unix epoch."""
        return self._deadlines.next

    @property
    def is_full(self) -> bool:
        """Whether the batch must be committed before another command is decided."""
        return self._batch.is_full

    @property
    def has_events(self) -> bool:
        """Whether memory is ahead of the log."""
        return self._batch.n > 0

    def begin(self, at: int) -> None:
        """Begins a batch at a time not before the last one; applies what lapsed in the meantime."""
        self.now = max(self.at, at)
        for _ in range(IDLE_LAPSES_MAX):
            moment = self._deadlines.next
            if moment is None or moment > self.now or self._batch.is_full:
                return
            if account_id := self._deadlines.pop():
                self._lapse(self.accounts[account_id])

    def execute(self, command: cmd.Command) -> Decided | None:
        """Decides one command on top of the batch; None when what is due on its account fills the batch already."""
        account_id = command.account_id
        account = self.accounts.get(account_id)
        cause = command.cause
        key = 0
        try:
            if account is not None:
                deadlines, more = account.deadlines, account.more
                may_lapse = (deadlines and deadlines[0][0] <= self.now) or more.owed or more.lapsing
                if may_lapse and not self._lapse(account):
                    return None
                if "request_id" in cause:
                    key = key_of(account_id, cause["request_id"])
                    found = self.request_ids.find(key)
                    if found is not None:
                        return self._replayed(account, command, found)
                if isinstance(command, cmd.ReserveCredits) and command.reservation_id not in account.open_reservations:
                    found = self.request_ids.find(key_of_ended(account_id, command.reservation_id))
                    # Refusals that come first (domain/errors.py) are for `decide`.
                    is_late = command.not_after < self.now
                    if found is not None and not is_late and account.state is not AccountState.CLOSED:
                        return self._made_before(command, found[0])
            event = decide(account, command, self.now)
        except errors.ReservationNotOpenError:
            return NotOpen(self.number, command, replayed=False)
        except errors.CommandRefusedError as error:
            return Refused(error)
        if event is None:
            if account is None:
                raise AssertionError("without an account there is an event or a refusal")
            return Answer(_subject(account, command), isinstance(command, cmd.OpenAccount | cmd.ReserveCredits), 0)
        return self._decided(account, command, event, key)

    def _decided(self, account: Account | None, command: cmd.Command, event: pb.Event, key: int) -> Decided:
        """Applies the event a command led to, and answers from what it made of the account."""
        position = self.next_position + self._batch.n
        if event.kind == _REFUSED:
            self._append(account, event, key)
            return Refused(insufficient(event))
        if isinstance(command, _RESERVATION_COMMANDS):
            # Looked up on both sides: one that is made is there only after, one that ends only before.
            before = account.open_reservations.get(command.reservation_id) if account else None
            account = self._append(account, event, key)
            reservation = before or account.open_reservations[command.reservation_id]
            answer = Answer(reservation.copy(), False, position, self.now)
        else:
            account = self._append(account, event, key)
            if event.kind == _REJECTED:
                return Refused(
                    errors.TransferRejectedError(account_id=account.account_id, transfer_id=event.transfer_id)
                )
            of_account = isinstance(command, cmd.OpenAccount | cmd.UpdateAccount)
            answer = Answer(copy.copy(account) if of_account else event, False, position, self.now)
            if isinstance(command, cmd.SendTransfer):
                self._finish_here(account, command)
        # What a release or final capture gave back to a dead grant lapses at once; what came in repays.
        if account.more.lapsing or account.more.owed:
            self._lapse(account)
        else:
            self._watch(account)
        return answer

    def close(self, writer: str) -> Commit:
        """The batch as the commit that follows what was folded; memory counts as folded once it is durable."""
        header = pb.EventBatch(
            shard=self.number,
            seq=self.seq + 1,
            first_position=self.next_position,
            previous_hash=self.hash,
            writer=writer,
        )
        header.recorded_at.FromMicroseconds(self.now)
        body = self._batch.body(header)
        seq, n = self.seq + 1, self._batch.n
        digest = chain.link(self.hash, self.number, seq, self.next_position, n, self.now, writer, body)
        return Commit(self.number, seq, self.next_position, n, self.now, writer, self.hash, digest, body)

    def committed(self, commit: Commit) -> None:
        """The log now holds the batch."""
        self.seq, self.hash, self.at = commit.seq, commit.hash, commit.at
        self.next_position += commit.n
        self.request_ids.keep_pending(commit.at)
        self.request_ids.forget(commit.at)
        self._journal.forget()
        self._clear()

    def undo(self) -> None:
        """Memory is again what was folded: the batch is not in the log, or nobody knows."""
        self._revert(0)
        self.request_ids.pending.clear()
        self._clear()

    # ---- groups of commands that stand or fall together

    def execute_together(self, commands: Sequence[cmd.Command]) -> list[Decided] | None:
        """All of one account's commands, or none of them: then the results say which was refused and why."""
        journal, batch, opened = self._journal.mark(), self._batch.mark(), len(self._opened)
        pending = dict(self.request_ids.pending)
        results: list[Decided] = []
        for command in commands:
            result = None if self._batch.is_full else self.execute(command)
            if result is None or _is_refusal(result):
                self._revert(journal, opened)
                self._batch.cut(batch)
                self.request_ids.pending = pending
                return self._refuse_together(commands, len(results), result)
            results.append(result)
        return results

    def _refuse_together(
        self, commands: Sequence[cmd.Command], place: int, why: Decided | None
    ) -> list[Decided] | None:
        if why is not None:
            others = Refused(errors.BatchRefusedError(index=place))
            return [why if number == place else others for number in range(len(commands))]
        # The batch is full: the group goes into the next one; one that fits into none would wait for ever.
        return None if self.has_events else [Refused(errors.BatchTooLargeError(limit_bytes=BYTES_MAX))] * len(commands)

    # ---- parts of these

    def _replayed(self, account: Account, command: cmd.Command, found: tuple[int, int]) -> Decided:
        """A reservation's replay answers its present state; others, and refusals, the first answer."""
        fingerprint, place = found
        if fingerprint != int.from_bytes(command.cause["fingerprint"], "big"):
            raise errors.RequestIdReusedError(request_id=command.cause["request_id"])
        seq, index, refused = parse_place(place)
        if isinstance(command, _RESERVATION_COMMANDS) and not refused:
            reservation = account.open_reservations.get(command.reservation_id)
            if reservation is None:
                return NotOpen(self.number, command, replayed=True)
            return Answer(reservation.copy(), True, 0)
        if isinstance(command, cmd.OpenAccount | cmd.UpdateAccount):
            return Answer(copy.copy(account), True, 0)
        return Recorded(self.number, seq, index, refused)

    def _made_before(self, command: cmd.ReserveCredits, amount: int) -> Decided:
        """A reservation of this id has ended: it is answered as it ended, and not made again."""
        if amount != command.amount:
            raise errors.ReservationReusedError(
                reservation_id=command.reservation_id, amount_micros=amount, requested_micros=command.amount
            )
        return NotOpen(self.number, command, replayed=True)

    def _finish_here(self, account: Account, command: cmd.SendTransfer) -> None:
        """Where the other account is on this shard too, the transfer is over in the same batch."""
        other = self.accounts.get(command.to_account_id)
        transfer = account.transfers.get(command.transfer_id)
        if other is not None and transfer is not None:
            self._lapse(other)
            self._finish_transfer(account, transfer, other)

    def _finish_transfer(self, account: Account, transfer: Transfer, other: Account) -> None:
        """Decides arrival and completion, or return, of a transfer between two accounts of this shard."""
        received, completed, returned = cmd.ending_of(account.account_id, transfer, {"actor": "ledger"})
        ending: cmd.Command = completed
        try:
            event = decide(other, received, self.now)
        except errors.CommandRefusedError as error:
            returned.reason, ending = error.reason, returned
        else:
            if event is not None:
                self._append(other, event)
                if event.kind == _REJECTED:
                    returned.reason, ending = event.reason, returned
                self._lapse(other)
        event = decide(account, ending, self.now)
        if event is not None:
            self._append(account, event)
            self._watch(account)

    def _lapse(self, account: Account) -> bool:
        """Applies what is due on an account; false when the batch is full before all is."""
        done = True
        while (event := due(account, self.now)) is not None:
            if self._batch.is_full:
                done = False
                break
            self._append(account, event)
        self._watch(account)
        return done

    def _append(self, account: Account | None, event: pb.Event, key: int = 0) -> Account:
        """Applies an event and adds it to the batch; `key`: of its request id. The caller watches the account."""
        kind = event.kind
        ended = _ended_by(account, event, self.now) if kind in _ENDINGS else None
        if account is None:
            account = evolve(None, event, self.now, self._journal)
            self.accounts[account.account_id] = account
            self._opened.append(account.account_id)
            key = key_of(account.account_id, event.request_id)
        else:
            evolve(account, event, self.now, self._journal)
        if key:
            place = place_of(self.seq + 1, self._batch.n, kind == _REFUSED)
            fingerprint = int.from_bytes(event.fingerprint, "big")
            self.request_ids.pending[key] = (fingerprint, place, event.remember_until)
        if ended is not None:
            place = place_of(self.seq + 1, self._batch.n, False)
            self.request_ids.pending[ended[0]] = (ended[1], place, ended[2])
        if kind == _SENT:
            self.senders.add(account.account_id)
        self._batch.add(event)
        return account

    def _watch(self, account: Account) -> None:
        """Wakes in time for what lapses first on an account; too early, for what has ended since, does no harm."""
        if account.deadlines:
            self._deadlines.set(account.account_id, account.deadlines[0][0])

    def _revert(self, mark: int, opened: int = 0) -> None:
        touched = self._journal.revert(mark)
        for account_id in self._opened[opened:]:
            del self.accounts[account_id]
            self._deadlines.forget(account_id)
            touched.discard(account_id)
        del self._opened[opened:]
        for account_id in touched:
            self._watch(self.accounts[account_id])

    def _clear(self) -> None:
        self._batch.cut()
        self._opened.clear()


def _is_refusal(result: Decided) -> bool:
    match result:
        case Recorded():
            return result.refused
        case NotOpen():
            return not result.replayed
        case _:
            return isinstance(result, Refused)


def _ended_by(account: Account | None, event: pb.Event, at: int) -> tuple[int, int, int] | None:
    """Of the reservation that an event is about to end: key, amount and until when its id cannot be made again; None
    where that has passed."""
    if account is None or (event.kind == _CAPTURED and not event.final):
        return None
    reservation_id = event.reservation_id
    reservation = account.open_reservations[reservation_id]
    if reservation.remember_until <= at:
        return None
    return key_of_ended(account.account_id, reservation_id), reservation.amount, reservation.remember_until


def _subject(account: Account, command: cmd.Command) -> Account | Reservation:
    if isinstance(command, _RESERVATION_COMMANDS):
        return account.open_reservations[command.reservation_id].copy()
    return copy.copy(account)
