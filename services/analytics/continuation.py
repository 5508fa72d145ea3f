"""Which of the commits one is offered continue a shard; pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from services.analytics.commits import Commit


class Ending(Enum):
    """Why a continuation ends where it does."""

    COMPLETE = "complete"
    """Everything that was offered is held."""
    GAP = "gap"
    """A commit is missing before the next one."""
    DIVERGED = "diverged"
    """A commit does not follow from the one before it: somebody's log is not what it was."""
    UNKNOWN_KIND = "unknown kind"
    """An event of a kind this program does not know; passing over it would make every later row wrong in silence."""
    UNSTORABLE = "unstorable"
    """The database will not take the rows, however often it is tried."""


@dataclass(frozen=True, slots=True)
class Continuation:
    """The commits to apply, in order, and why no more."""

    commits: Sequence[Commit]
    ending: Ending = Ending.COMPLETE
    reason: str = ""


def continue_from(seq: int, digest: bytes, offered: Iterable[Commit], known_kinds: frozenset[int]) -> Continuation:
    """What continues a shard whose last applied commit has this number and chain value; what is older is left out."""
    accepted: list[Commit] = []
    for commit in sorted(offered, key=lambda commit: commit.seq):
        if commit.seq < seq:
            continue
        if commit.seq == seq:
            if commit.hash != digest:
                return Continuation(accepted, Ending.DIVERGED, f"commit {seq} is not the one that was applied")
            continue
        if commit.seq > seq + 1:
            return Continuation(accepted, Ending.GAP, f"commit {seq + 1} is missing before {commit.seq}")
        if commit.previous_hash != digest:
            return Continuation(accepted, Ending.DIVERGED, f"commit {commit.seq} does not follow from commit {seq}")
        for event in commit.events:
            if event.kind not in known_kinds:
                reason = f"commit {commit.seq} has an event of kind {event.kind}, which this program does not know"
                return Continuation(accepted, Ending.UNKNOWN_KIND, reason)
        accepted.append(commit)
        seq, digest = commit.seq, commit.hash
    return Continuation(accepted)
