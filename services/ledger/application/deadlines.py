"""When something may lapse on an account: the first such moment of each, in the order of their coming."""

import heapq

# Entries that no longer count are tolerated up to this, and as many times those that do.
_SLACK = 64
_SLACK_FACTOR = 4


class Deadlines:
    """Moments in microseconds since the Unix epoch; one counts per account, the earliest it was set for."""

    def __init__(self) -> None:
        # A heap of (moment, account).
        self._coming: list[tuple[int, str]] = []
        # The entry of each account that counts; others are passed over when they come up.
        self._counting: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._coming)

    @property
    def next(self) -> int | None:
        """The next moment to look at an account; too early does no harm."""
        return self._coming[0][0] if self._coming else None

    def set(self, account_id: str, moment: int) -> None:
        """Has an account come up at a moment, unless it comes earlier anyway."""
        known = self._counting.get(account_id)
        if known is None or moment < known:
            self._counting[account_id] = moment
            heapq.heappush(self._coming, (moment, account_id))
            # What does not count goes once it is most of the heap; a grant's may lie years ahead.
            if len(self._coming) > _SLACK + _SLACK_FACTOR * len(self._counting):
                self._coming = [(counting, name) for name, counting in self._counting.items()]
                heapq.heapify(self._coming)

    def pop(self) -> str | None:
        """Takes the next entry out: its account, None where another entry counts for that."""
        moment, account_id = heapq.heappop(self._coming)
        if self._counting.get(account_id) != moment:
            return None
        del self._counting[account_id]
        return account_id

    def forget(self, account_id: str) -> None:
        """An account is gone."""
        self._counting.pop(account_id, None)
