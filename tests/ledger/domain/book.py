"""A shard with a clock that the test moves, and shorthand for commands; its log is a list of commits."""

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from scrip.ledger.v1 import events_pb2 as pb

from services.ledger.application import history
from services.ledger.application.results import Answer, Decided, NotOpen, Recorded, Refused, Result
from services.ledger.application.shard import Shard
from services.ledger.domain import commands as cmd
from services.ledger.domain.account import Account, AccountState
from services.ledger.domain.balance import Balance, balance_at
from services.ledger.store.log import Commit

T = TypeVar("T")

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
START = 1_000 * DAY
# Commands that nobody asks for: they go by the transfer's id.
OWN = (cmd.ReceiveTransfer, cmd.CompleteTransfer, cmd.ReturnTransfer)


class Log(history.History):
    """The ledger's own history, over a list of commits instead of a database."""

    def __init__(self) -> None:
        self.commits: list[Commit] = []

    def events(self) -> history.Events:
        """Every event with when it was recorded, in order."""
        return [(event, commit.at) for commit in self.commits for event in events_of(commit)]

    async def recorded(self, found: list[Recorded]) -> list[Result]:
        """First answers of request ids."""
        batches = [pb.EventBatch.FromString(self.commits[one.seq - 1].body) for one in found]
        return [history._first_answer(batch, one.index) for batch, one in zip(batches, found, strict=True)]

    async def _of_reservation(self, shard: int, account_id: str, reservation_id: str) -> history.Events:
        wanted = (account_id, reservation_id)
        return [(e, at) for e, at in self.events() if (e.account_id, e.reservation_id) == wanted]


@dataclass
class Book:
    """One shard; each shorthand executes one command, commits its batch, and raises what refuses it."""

    at: int = START
    shard: Shard = field(default_factory=lambda: Shard(0))
    log: Log = field(default_factory=Log)
    requests: int = 0

    # ---- commands

    def command(
        self, make: Any, account_id: str = "a", request_id: str = "", not_after: int = 0, **fields: Any
    ) -> cmd.Command:
        """A command with its cause, under a request id of its own unless told; the ledger's own have none."""
        self.requests += 1
        not_after = not_after or self.at + DAY
        if make in OWN:
            own: cmd.Command = make(account_id=account_id, cause={"actor": "ledger"}, not_after=not_after, **fields)
            return own
        cause = {"request_id": request_id or f"q{self.requests}", "remember_until": not_after, "actor": "service:test"}
        if make is cmd.RefundCapture:
            reservation_id = fields["reservation_id"]
            fields.setdefault("captured", finished(self.log.captured(0, account_id, reservation_id)))
        command: cmd.Command = make(account_id=account_id, cause=cause, not_after=not_after, **fields)
        cause["fingerprint"] = cmd.fingerprint(command)
        return command

    def result(self, command: cmd.Command) -> Result:
        """Executes a command and commits its batch; what has left memory is read from the log."""
        self.shard.begin(self.at)
        decided = self.shard.execute(command)
        self.commit()
        return self.resolved(decided)

    def resolved(self, decided: Decided | None) -> Result:
        """What the ledger answers to what its shard decided."""
        match decided:
            case NotOpen():
                return finished(self.log.not_open(decided))
            case Recorded():
                return finished(self.log.recorded([decided]))[0]
            case _:
                assert decided is not None
                return decided

    def do(self, make: Any, account_id: str = "a", **fields: Any) -> Answer:
        """The answer to a command."""
        result = self.result(self.command(make, account_id, **fields))
        if isinstance(result, Refused):
            raise result.error
        return result

    def commit(self) -> None:
        """Makes the batch in hand durable."""
        if self.shard.has_events:
            commit = self.shard.close("test")
            self.log.commits.append(commit)
            self.shard.committed(commit)

    def wait(self, micros: int) -> None:
        """Lets time pass, and everything that becomes due happen."""
        self.at += micros
        self.shard.begin(self.at)
        self.commit()

    # ---- shorthand

    def open(self, account_id: str = "a", credit_limit: int = 0, **fields: Any) -> Answer:
        """Opens an account."""
        return self.do(cmd.OpenAccount, account_id, credit_limit=credit_limit, **fields)

    def grant(self, amount: int, grant_id: str = "", lasts: int = 0, begins_in: int = 0, **fields: Any) -> Answer:
        """Grants credits that last so many microseconds from now; 0: for ever."""
        fields = {"priority": 100, "source": pb.GRANT_SOURCE_PURCHASE} | fields
        return self.do(
            cmd.GrantCredits,
            grant_id=grant_id or f"g{self.requests}",
            amount=amount,
            effective_at=self.at + begins_in if begins_in else 0,
            expires_at=self.at + lasts if lasts else 0,
            **fields,
        )

    def void(self, grant_id: str, **fields: Any) -> Answer:
        """Withdraws a grant."""
        return self.do(cmd.VoidGrant, grant_id=grant_id, reason="fraud", **fields)

    def reserve(self, reservation_id: str, amount: int, ttl: int = HOUR, **fields: Any) -> Answer:
        """Reserves."""
        return self.do(cmd.ReserveCredits, reservation_id=reservation_id, amount=amount, ttl=ttl, **fields)

    def extend(self, reservation_id: str, ttl: int, **fields: Any) -> Answer:
        """Extends a reservation."""
        return self.do(cmd.ExtendReservation, reservation_id=reservation_id, ttl=ttl, **fields)

    def capture(self, reservation_id: str, total: int, final: bool = True, **fields: Any) -> Answer:
        """Captures up to a cumulative total."""
        fields = {"up_to_available": False} | fields
        return self.do(
            cmd.CaptureReservation, reservation_id=reservation_id, captured_total=total, final=final, **fields
        )

    def release(self, reservation_id: str, **fields: Any) -> Answer:
        """Releases."""
        return self.do(cmd.ReleaseReservation, reservation_id=reservation_id, **fields)

    def spend(self, amount: int, reservation_id: str = "") -> str:
        """Reserves and captures; answers the reservation's id."""
        reservation_id = reservation_id or f"r{self.requests}"
        self.reserve(reservation_id, amount)
        self.capture(reservation_id, amount)
        return reservation_id

    def refund(self, reservation_id: str, amount: int, grant_id: str = "", **fields: Any) -> Answer:
        """Refunds a part of what a reservation captured."""
        fields = {"reason": "complaint"} | fields
        grant_id = grant_id or f"refund{self.requests}"
        return self.do(cmd.RefundCapture, reservation_id=reservation_id, amount=amount, grant_id=grant_id, **fields)

    def reduce(self, amount: int, **fields: Any) -> Answer:
        """Takes available credits away."""
        return self.do(cmd.AdjustBalance, amount=amount, reason="mistake", **fields)

    def send(self, transfer_id: str, amount: int, to: str = "b", **fields: Any) -> Answer:
        """Sends credits to another account."""
        return self.do(cmd.SendTransfer, transfer_id=transfer_id, to_account_id=to, amount=amount, **fields)

    def receive(self, transfer_id: str, amount: int, lasts: int = 0, **fields: Any) -> Answer:
        """Takes in what an account of another shard sent."""
        expires_at = self.at + lasts if lasts else 0
        return self.do(
            cmd.ReceiveTransfer,
            transfer_id=transfer_id,
            from_account_id="far",
            amount=amount,
            expires_at=expires_at,
            **fields,
        )

    def turn(self, state: AccountState, account_id: str = "a", void_available: bool = False, **fields: Any) -> Answer:
        """Brings an account into a state."""
        fields = {"credit_limit": None, "reason": "asked"} | fields
        return self.do(cmd.UpdateAccount, account_id, state=state, void_available=void_available, **fields)

    def limit(self, credit_limit: int, **fields: Any) -> Answer:
        """Changes the credit limit."""
        return self.do(
            cmd.UpdateAccount, state=None, credit_limit=credit_limit, void_available=False, reason="asked", **fields
        )

    # ---- what there is

    def account(self, account_id: str = "a") -> Account:
        """An account in memory."""
        return self.shard.accounts[account_id]

    def balance(self, account_id: str = "a") -> Balance:
        """The balance now."""
        return balance_at(self.account(account_id), self.at)

    def left(self, account_id: str = "a") -> dict[str, int]:
        """What is available in each grant that is in memory."""
        return {grant.grant_id: grant.available for grant in self.account(account_id).grants}

    @property
    def last(self) -> list[pb.Event]:
        """The events of the last commit."""
        return events_of(self.log.commits[-1])

    @property
    def kinds(self) -> list[str]:
        """Their kinds."""
        return [kind_of(event) for event in self.last]

    def replayed(self) -> Shard:
        """A fresh shard that folded the log."""
        shard = Shard(0)
        for commit in self.log.commits:
            shard.fold(commit)
        return shard


def events_of(commit: Commit) -> list[pb.Event]:
    """What a commit holds."""
    return list(pb.EventBatch.FromString(commit.body).events)


def kind_of(event: pb.Event) -> str:
    """The name of its kind, without the prefix."""
    return pb.EventKind.Name(event.kind).removeprefix("EVENT_KIND_")


def parts(numbers: Sequence[int], amounts: Sequence[int]) -> list[tuple[int, int]]:
    """Allocations of an event as pairs."""
    return list(zip(numbers, amounts, strict=True))


def finished(coroutine: Coroutine[Any, Any, T]) -> T:
    """What a coroutine that waits for nothing returns."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    raise AssertionError("it waited")
