"""Plays a sequence of steps on a shard and on the model, in batches, and compares them after each step."""

import copy
from collections import Counter
from collections.abc import Sequence

from scrip.ledger.v1 import events_pb2 as pb

from services.ledger.application.results import Decided, NotOpen, Refused
from services.ledger.application.shard import Shard
from services.ledger.domain import commands as cmd
from services.ledger.domain.balance import balance_at
from services.ledger.domain.decide import grants
from tests.ledger.domain import model_account
from tests.ledger.domain.book import DAY, SECOND, Book, events_of
from tests.ledger.domain.checks import Follower, canonical, compare
from tests.ledger.domain.model import Model
from tests.ledger.domain.model_account import Thing
from tests.ledger.domain.steps import KINDS, Meanings, Step, command_of

NOT_OPEN = {"RESERVATION_NOT_FOUND", "RESERVATION_ENDED", "RESERVATION_EXPIRED"}


class Player:
    """A shard, a model of it, and what follows its log."""

    def __init__(self) -> None:
        self.book = Book()
        self.model = Model(grants.GRANTS_MAX)
        self.follower = Follower()
        self.meanings = Meanings()
        # How often each refusal was met, and commands were done.
        self.met: Counter[str] = Counter()
        # Of the batch in hand: what was said, and together; what was decided, and expected.
        self._said: list[tuple[list[cmd.Command], bool]] = []
        self._decided: list[Decided] = []
        self._expected: list[str | None] = []
        self._begin()
        for who in range(3):
            self._play(("open", who, 0, 0, 0))

    def play(self, steps: Sequence[Step]) -> None:
        """Plays all steps; then checks what will be due, and that the log folds to what is in memory."""
        for step in steps:
            self._play(step)
        self._commit()
        self._check_future()
        replayed = self.book.replayed()
        assert canonical(replayed) == canonical(self.book.shard)

    def _play(self, step: Step) -> None:
        kind, who, x, y, z = step
        match kind:
            case "wait" | "wait long":
                self._commit()
                self.book.at += (y + 1) * SECOND if kind == "wait" else 31 * DAY
                self._begin()
            case "commit":
                self._commit()
                self._begin()
            case "undo":
                self._undo()
            case "together":
                some = [(KINDS[(x * 7 + n * 13) % len(KINDS)], who, (x + n) % 60, y, (z + n) % 9) for n in range(y % 4)]
                self._say([made for one in some if (made := self._mean(one))], together=True)
            case _:
                self._say([made for made in [self._mean(step)] if made])

    def _mean(self, step: Step) -> Thing | None:
        return self.meanings.of(step, self.model, self.book.at)

    # ---- batches

    def _begin(self) -> None:
        self._said, self._decided, self._expected = [], [], []
        self.book.shard.begin(self.book.at)
        self.model.advance(self.book.at)
        compare(self.book.shard, self.model)

    def _say(self, things: list[Thing], together: bool = False) -> None:
        """Executes one command, or several of one account that stand or fall together."""
        things = [thing for thing in things if thing["account"] == things[0]["account"]]
        if things and things[0]["do"] == "refund":
            # What was captured is read from the log before: there it must be, and no later in a group either.
            self._commit()
            self._begin()
        things = things[:1] + [thing for thing in things[1:] if thing["do"] != "refund"]
        commands = [self._command(thing) for thing in things]
        self._expected += self._together(things) if together else [self._expect(thing) for thing in things]
        self._said.append((commands, together))
        self._execute(commands, together)
        compare(self.book.shard, self.model)

    def _command(self, thing: Thing) -> cmd.Command:
        make, fields = command_of(thing)
        return self.book.command(make, thing["account"], thing["request"], thing["not_after"], **fields)

    def _execute(self, commands: list[cmd.Command], together: bool) -> None:
        shard = self.book.shard
        decided = shard.execute_together(commands) if together else [shard.execute(command) for command in commands]
        for one in decided or ():
            assert one is not None
            self._decided.append(one)

    def _expect(self, thing: Thing) -> str | None:
        self.meanings.said.append(thing)
        return self.model.execute(thing, self.book.at)

    def _together(self, things: list[Thing]) -> list[str | None]:
        """Reasons by the model: all are done, or one is refused and the others because of it."""
        before = copy.deepcopy(self.model)
        for place, thing in enumerate(things):
            reason = self._expect(thing)
            if reason:
                self.model = before
                return [reason if number == place else "BATCH_REFUSED" for number in range(len(things))]
        return [None] * len(things)

    def _commit(self) -> None:
        """Makes the batch durable; only then does the log tell what memory does not hold."""
        durable = len(self.book.log.commits)
        self.book.commit()
        for commit in self.book.log.commits[durable:]:
            self.follower.follow(commit)
        for decided, expected in zip(self._decided, self._expected, strict=True):
            result = self.book.resolved(decided)
            reason = result.error.reason if isinstance(result, Refused) else None
            if not isinstance(decided, NotOpen):
                assert (reason, decided) == (expected, decided)
            elif reason != expected:
                # What is not open is looked up after the commit: it may have been made, or ended, later in the batch;
                # or the group that ended it was taken back.
                assert {reason, expected} <= NOT_OPEN
            self.met[expected or "done"] += 1
        self._said, self._decided, self._expected = [], [], []

    def _undo(self) -> None:
        """Undoing leaves what the log says; deciding the same again makes the same events.

        Which of several accounts lapses first is nobody's business: each by itself has the same events in order.
        """
        shard = self.book.shard
        batch = by_account(shard)
        shard.undo()
        assert canonical(shard) == canonical(self.book.replayed())
        shard.begin(self.book.at)
        self._decided = []
        for commands, together in self._said:
            self._execute(commands, together)
        assert by_account(shard) == batch
        compare(shard, self.model)

    def _check_future(self) -> None:
        """A balance counts what is due later as the model lets it happen."""
        later = copy.deepcopy(self.model)
        for wait in (3 * SECOND, 20 * SECOND, 90 * DAY):
            later.advance(self.book.at + wait)
            for account_id, account in self.book.shard.accounts.items():
                balance = balance_at(account, self.book.at + wait)
                told = {name: getattr(balance, name) for name in model_account.amounts(later.accounts[account_id])}
                assert told == model_account.amounts(later.accounts[account_id])


def by_account(shard: Shard) -> dict[str, list[pb.Event]]:
    """The events of the batch in hand."""
    events: dict[str, list[pb.Event]] = {}
    for event in events_of(shard.close("test")):
        events.setdefault(event.account_id, []).append(event)
    return events
