"""The tables of request ids, against a dict, and what they take in memory."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ledger.domain import request_ids
from services.ledger.domain.request_ids import (
    HOUR,
    MINUTE,
    SPANS,
    RequestIds,
    key_of,
    key_of_ended,
    parse_place,
    place_of,
)
from tests.ledger.domain.book import DAY, START

LIVES = (MINUTE, HOUR, HOUR + 1, DAY, 30 * DAY, 365 * DAY)

ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(1, 60), st.sampled_from(LIVES)),
        st.tuples(st.just("fill"), st.integers(30, 300), st.sampled_from(LIVES)),
        st.tuples(st.just("decide"), st.integers(1, 60), st.sampled_from(LIVES)),
        st.tuples(st.just("commit"), st.just(0), st.just(0)),
        st.tuples(st.just("undo"), st.just(0), st.just(0)),
        st.tuples(st.just("wait"), st.integers(1, 60), st.sampled_from((MINUTE, HOUR, DAY))),
        st.tuples(st.just("reload"), st.just(0), st.just(0)),
    ),
    max_size=50,
)


def reloaded(ids: RequestIds) -> RequestIds:
    """What a snapshot of them gives back; its rows may come in several parts."""
    loaded = RequestIds()
    for which, slots, filled_until, latest, rows in ids.dump():
        loaded.load(which, slots, filled_until, latest)
        half = len(rows) // 48 * 24
        loaded.load_rows(which, rows[:half])
        loaded.load_rows(which, rows[half:])
    return loaded


@settings(max_examples=100, deadline=None)
@given(ACTS, st.booleans())
def test_an_id_is_known_for_as_long_as_it_was_promised(acts: list[tuple[str, int, int]], is_small: bool) -> None:
    """Against a dict: whatever is added, grows, is dropped by the table, waits in a batch, or is loaded again."""
    with pytest.MonkeyPatch.context() as patch:
        if is_small:
            patch.setattr(request_ids, "SLOTS_REHASHED", 100)
        ids, model, at = RequestIds(), {}, START
        pending: dict[int, tuple[int, int, int]] = {}
        for count, (kind, number, span) in enumerate(acts, 1):
            match kind:
                case "add":
                    if ids.find(number) is None:
                        model[number] = (number * 7, count, at + span)
                        ids.add([(number, *model[number])], at)
                case "fill":
                    for n in range(number):
                        model[1_000 * count + n] = (n, count, at + span)
                        ids.add([(1_000 * count + n, n, count, at + span)], at)
                case "decide":
                    if ids.find(number) is None:
                        pending[number] = ids.pending[number] = (number * 7, count, at + span)
                case "commit":
                    ids.keep_pending(at)
                    model |= pending
                    pending = {}
                case "undo":
                    ids.pending.clear()
                    pending = {}
                case "wait":
                    # Time passes between commits, not within one.
                    ids.keep_pending(at)
                    model |= pending
                    pending = {}
                    at += number * span
                    ids.forget(at)
                case "reload":
                    kept = ids.pending
                    dumped = ids.dump()
                    ids = reloaded(ids)
                    assert ids.dump() == dumped
                    ids.pending = kept
            _compare(ids, model | pending, at)


def _compare(ids: RequestIds, model: dict[int, tuple[int, int, int]], at: int) -> None:
    for key, (fingerprint, place, remember_until) in model.items():
        found = ids.find(key)
        assert found == (fingerprint, place) or (found is None and remember_until < at)
    assert ids.find(999_999_999) is None


def test_all_ids_of_a_span_are_forgotten_in_the_end() -> None:
    """A table is filled for half its span and dropped with its last id: nothing stays for more than that longer."""
    ids, at = RequestIds(), START
    for life in LIVES[:5]:
        ids.add([(life, 1, 1, at + life)], at)
    assert len(ids) == 5
    ids.forget(at + HOUR)
    assert ids.find(LIVES[1]) is not None
    ids.forget(at + HOUR + 1)
    assert ids.find(LIVES[1]) is None
    ids.forget(at + 30 * DAY + 1)
    assert (len(ids), ids.dump()) == (0, [])


def test_tables_turn_over_while_ids_come_and_go() -> None:
    """With ids of an hour for two days, at most the tables of some hours are there at any time."""
    ids, at = RequestIds(), START
    for turn in range(48 * 60):
        at += MINUTE
        ids.add([(turn + 1, 1, 1, at + HOUR)], at)
        ids.forget(at)
        assert len(ids.dump()) <= 1 + 2 * HOUR // (SPANS[0] // 2)
        assert len(ids) <= 2 * 60 + 2


def _bytes(ids: RequestIds) -> int:
    return sum(
        column.itemsize * len(column)
        for table in ids._tables
        for column in (table.keys, table.fingerprints, table.places)
    )


def test_an_id_takes_at_most_sixty_bytes() -> None:
    """In tables that have outgrown rehashing, at every moment of filling; most of the time it is less than fifty."""
    draw = random.Random(7)
    ids, count = RequestIds(), 300_000
    most, total, seen = 0.0, 0.0, 0
    for number in range(count):
        ids.add([(draw.getrandbits(63) | 1, number, number, START + DAY)], START)
        if number > request_ids.SLOTS_REHASHED * 2 and number % 1_000 == 0:
            each = _bytes(ids) / len(ids)
            most, total, seen = max(most, each), total + each, seen + 1
    assert len(ids) == count
    assert most <= 60
    assert total / seen <= 52


def test_a_large_table_is_never_rehashed() -> None:
    """The next one is begun beside it, so no single id costs more than the growth of a small table."""
    draw = random.Random(3)
    ids = RequestIds()
    before: list[Any] = []
    for number in range(200_000):
        ids.add([(draw.getrandbits(63) | 1, number, number, START + DAY)], START)
        for old, new in zip(before, ids._tables, strict=False):
            assert old is new or len(old.keys) <= request_ids.SLOTS_REHASHED
        before = ids._tables
    assert len(before) > 2


@given(st.integers(0, (1 << 48) - 1), st.integers(0, 4_095), st.booleans())
def test_a_place_holds_commit_number_and_refusal(seq: int, index: int, refused: bool) -> None:
    """Packed into 63 bits and back."""
    place = place_of(seq, index, refused)
    assert 0 <= place < 1 << 63
    assert parse_place(place) == (seq, index, refused)


def test_ids_of_two_accounts_do_not_meet() -> None:
    """The same id on another account, or of a reservation, is another key; and keys are the same in every process."""
    assert len({key_of("a", "q"), key_of("b", "q"), key_of_ended("a", "q")}) == 3
    assert key_of("a", "q") == 13_258_444_100_288_919_988
