"""What a streamed call has used so far."""

import random

import pytest

from services.executor.material import tokens
from services.executor.providers.metering import Meter, Metering
from services.executor.providers.text import Text

GIVEN = {"message": "Where words fail", "history": [{"text": "music speaks"}], "max_tokens": 5}
INPUT = "Where words fail\nmusic speaks"


@pytest.mark.parametrize(
    ("metering", "pieces", "expected"),
    [
        (Metering("character"), ["héllo ", "𝄞"], 7),
        (Metering("character", counts_input=True), ["ab"], len(INPUT) + 2),
        (Metering("token"), ["Where words", " fail"], tokens.count("Where words fail")),
        (Metering("token", counts_input=True), ["A"], tokens.count(INPUT) + tokens.count("A")),
        (Metering("token", counts_input=True), [""], 0),
        (Metering("character"), [], 0),
        (Metering(), ["a"], 1_000),
        (Metering(), [], 0),
    ],
)
def test_what_was_said_is_counted(metering: Metering, pieces: list[str], expected: int) -> None:
    """With the input where that is charged; nothing said is nothing used."""
    meter = Meter(metering, GIVEN, 1_000)
    for piece in pieces:
        meter.put(piece)
    assert meter.units() == expected
    meter.prepare()
    assert meter.units() == expected


def test_the_provider_knows_better() -> None:
    """It says what the input was, and the output so far; what comes after that is counted here."""
    meter = Meter(Metering("character", counts_input=True), GIVEN, 1_000)
    meter.say("input", 12)
    assert meter.units() == 0
    meter.put("abcd")
    assert meter.units() == 16
    meter.say("output", 1)
    assert meter.units() == 13
    meter.put("ef")
    assert meter.units() == 15
    meter.say("output", 30)
    assert meter.units() == 42
    assert not meter.is_full()
    meter.say("output", 988)
    assert meter.is_full()


@pytest.mark.parametrize("unit", ["character", "token"])
def test_a_meter_is_full_when_its_bound_is_reached(unit: str) -> None:
    """Not a piece sooner or later, and never counts beyond it."""
    chance = random.Random(3)
    words = [chance.choice(["a", "über ", "lighthouse", "𝄞", " the", "\n"]) for _ in range(600)]
    meter = Meter(Metering(unit), {}, 400)
    count = {"character": len, "token": tokens.count}[unit]
    said = ""
    for word in words:
        assert not meter.is_full()
        meter.put(word)
        said += word
        if count(said) >= 400:
            break
    assert meter.is_full()
    assert meter.units() == 400


def test_without_a_bound_it_is_never_full() -> None:
    """As for a call whose units are known before."""
    meter = Meter(Metering("character"), {})
    meter.put("x" * 10_000)
    assert not meter.is_full()
    assert meter.units() == 10_000


def test_half_a_character_is_replaced() -> None:
    """JSON may hold one, and nothing else can."""
    meter = Meter(Metering("character"), {})
    meter.put("a\ud83d")
    assert meter.text.after(0) == "a?"


def test_pieces_of_a_text_may_come_again_or_lack() -> None:
    """What was there is passed over, and what follows a hole is not taken."""
    text = Text()
    told: list[int] = []
    text.on_more = lambda: told.append(text.length)
    assert text.put_at(0, "abc")
    assert text.put_at(0, "ab")
    assert text.put_at(1, "bcd")
    assert not text.put_at(5, "f")
    assert text.put_at(4, "𝄞")
    assert text.after(0) == "abcd𝄞"
    assert text.after(3) == "d𝄞"
    assert text.after(1, 2) == "bc"
    assert text.after(9) == ""
    assert told == [3, 4, 5]
