"""Request ids that acted, remembered until their commands' `not_after`: 24 bytes each in open-addressed arrays.

A dict takes 140 bytes a key. Ids are kept in tables by how long they live (an hour, a day, a month); a table is filled
for half that time and dropped whole when the last of its ids has lapsed, so nothing is ever deleted one by one. A small
table grows by rehashing; a large one never does (that would hold up the shard): the next one is begun beside it.

An id is found by 64 bits of a hash and checked by the 64 of its fingerprint. Two ids that share the first 64 (once in
10^11 lookups among 200 million) make the later one refused as reused; to be taken for each other they would have to
share the other 64 too.
"""

import itertools
from array import array
from collections.abc import Iterable

from xxhash import xxh3_64_intdigest

MINUTE = 60_000_000
HOUR = 60 * MINUTE
# An id that is to be known for at most so long goes to the tables of that place. The last is for the 30 days of
# money coming in, and whatever is longer.
SPANS = (HOUR, 25 * HOUR, 31 * 24 * HOUR)
SLOTS_LEAST = 64
# A table of more slots is not rehashed; these take about twenty milliseconds.
SLOTS_REHASHED = 32_768
_FULL = 0.6

# fingerprint, place
Found = tuple[int, int]
# key, fingerprint, place, remember_until
Row = tuple[int, int, int, int]


def key_of(account_id: str, request_id: str) -> int:
    """64 bits of a request id within its account; never 0."""
    return xxh3_64_intdigest(f"{account_id}\0{request_id}".encode()) or 1


def key_of_ended(account_id: str, reservation_id: str) -> int:
    """The same for the id of a reservation that has ended: the two kinds of id do not meet."""
    return xxh3_64_intdigest(f"{account_id}\1{reservation_id}".encode()) or 1


def place_of(seq: int, index: int, refused: bool) -> int:
    """Where the event of an id stands: commit, number within it, and whether it is a refusal; 63 bits."""
    return (seq << 14) | (index << 1) | refused


def parse_place(place: int) -> tuple[int, int, bool]:
    """(commit, number within it, whether it is a refusal)."""
    return place >> 14, (place >> 1) & 0x1FFF, bool(place & 1)


class _Table:
    """Open addressing with linear probing; 0 is an empty slot."""

    __slots__ = ("filled_until", "fingerprints", "keys", "latest", "limit", "mask", "places", "used")

    def __init__(self, slots: int, filled_until: int) -> None:
        self.keys = array("Q", bytes(8 * slots))
        self.fingerprints = array("Q", bytes(8 * slots))
        self.places = array("Q", bytes(8 * slots))
        self.mask = slots - 1
        self.used = 0
        self.limit = int(_FULL * slots)
        # Later ids go to the next table, so that this one can be dropped.
        self.filled_until = filled_until
        # When the last of its ids lapses.
        self.latest = 0

    def put(self, rows: Iterable[Row]) -> None:
        """Adds ids; of one that is there already, the later fingerprint and place count."""
        keys, fingerprints, places, mask = self.keys, self.fingerprints, self.places, self.mask
        used, latest = self.used, self.latest
        for key, fingerprint, place, remember_until in rows:
            slot = key & mask
            while (found := keys[slot]) and found != key:
                slot = (slot + 1) & mask
            if not found:
                keys[slot] = key
                used += 1
            fingerprints[slot] = fingerprint
            places[slot] = place
            latest = max(latest, remember_until)
        self.used, self.latest = used, latest

    def grown(self) -> "_Table":
        """The same ids with four times the room, or twice as it comes to be large."""
        slots = 2 * (self.mask + 1)
        larger = _Table(2 * slots if slots <= SLOTS_REHASHED else slots, self.filled_until)
        larger.put((*row, self.latest) for row in self.rows())
        return larger

    def rows(self) -> list[tuple[int, int, int]]:
        """Key, fingerprint and place of each id."""
        return [row for row in zip(self.keys, self.fingerprints, self.places, strict=True) if row[0]]


class RequestIds:
    """The ids of one shard. `add` is for what is durable; what a batch in hand decided waits in `pending`."""

    __slots__ = ("_spans", "_tables", "pending")

    def __init__(self) -> None:
        self._spans: tuple[list[_Table], ...] = tuple([] for _ in SPANS)
        # The same tables, in one list, for finding.
        self._tables: list[_Table] = []
        # key → (fingerprint, place, remember_until): of the batch that is not durable yet.
        self.pending: dict[int, tuple[int, int, int]] = {}

    def __len__(self) -> int:
        return sum(table.used for table in self._tables)

    def find(self, key: int) -> Found | None:
        """Fingerprint and place of an id that is remembered."""
        if key in self.pending:
            return self.pending[key][:2]
        for table in self._tables:
            keys, mask = table.keys, table.mask
            slot = key & mask
            while found := keys[slot]:
                if found == key:
                    return table.fingerprints[slot], table.places[slot]
                slot = (slot + 1) & mask
        return None

    def add(self, rows: Iterable[Row], at: int) -> None:
        """Remembers the ids of a commit recorded at `at`."""
        spans: tuple[list[Row], ...] = ([], [], [])
        for row in rows:
            life = row[3] - at
            spans[0 if life <= SPANS[0] else 1 if life <= SPANS[1] else 2].append(row)
        for which, some in enumerate(spans):
            done = 0
            while done < len(some):
                table = self._table(which, at)
                until = done + table.limit - table.used
                table.put(some[done:until])
                done = until

    def keep_pending(self, at: int) -> None:
        """The batch is durable: what waited is remembered."""
        self.add([(key, *found) for key, found in self.pending.items()], at)
        self.pending.clear()

    def forget(self, at: int) -> None:
        """Drops the tables whose ids have all lapsed."""
        for tables in self._spans:
            if tables and tables[0].latest < at:
                tables[:] = [table for table in tables if table.latest >= at]
                self._list()

    def _table(self, which: int, at: int) -> _Table:
        """A table with room: the last one, or it grown, or a new one beside it."""
        tables = self._spans[which]
        last = tables[-1] if tables else None
        if last is not None and last.used < last.limit and at <= last.filled_until:
            return last
        if last is None or at > last.filled_until:
            tables.append(_Table(SLOTS_LEAST, at + SPANS[which] // 2))
        elif last.mask < SLOTS_REHASHED:
            tables[-1] = last.grown()
        else:
            # Half as much room again: at least four slots in ten are used.
            slots = sum(table.mask + 1 for table in tables if table.filled_until == last.filled_until)
            tables.append(_Table(1 << (slots // 2).bit_length() - 1, last.filled_until))
        self._list()
        return tables[-1]

    def _list(self) -> None:
        self._tables = [table for tables in self._spans for table in tables]

    def dump(self) -> list[tuple[int, int, int, int, bytes]]:
        """Every table, for a snapshot: (place in SPANS, slots, filled until, latest, rows of three big-endian u64)."""
        dumped = []
        for which, tables in enumerate(self._spans):
            for table in tables:
                rows = array("Q", [value for row in sorted(table.rows()) for value in row])
                rows.byteswap()
                dumped.append((which, table.mask + 1, table.filled_until, table.latest, rows.tobytes()))
        return dumped

    def load(self, which: int, slots: int, filled_until: int, latest: int) -> None:
        """Adds a table that `dump` gave, without its rows."""
        table = _Table(slots, filled_until)
        table.latest = latest
        self._spans[which].append(table)
        self._list()

    def load_rows(self, which: int, rows: bytes) -> None:
        """Adds some of the rows that `dump` gave to the last table of its place."""
        values = array("Q")
        values.frombytes(rows)
        values.byteswap()
        table = self._spans[which][-1]
        table.put(zip(values[::3], values[1::3], values[2::3], itertools.repeat(table.latest)))
