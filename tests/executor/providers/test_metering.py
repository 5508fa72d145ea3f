"""What a streamed call has used so far."""

import random

import pytest

from services.executor.material import tokens
from services.executor.providers.metering import Counted, Meter
from services.executor.providers.text import Text

GIVEN = {"message": "Where words fail", "history": [{"text": "music speaks"}], "max_tokens": 5}
INPUT = "Where words fail\nmusic speaks"


BOTH = Counted(input=True)
APART = {"input_token": Counted(input=True, output=False), "output_token": Counted()}


@pytest.mark.parametrize(
    ("counted", "pieces", "expected"),
    [
        ({"character": Counted()}, ["héllo ", "𝄞"], {"character": 7}),
        ({"character": BOTH}, ["ab"], {"character": len(INPUT) + 2}),
        ({"token": Counted()}, ["Where words", " fail"], {"token": tokens.count("Where words fail")}),
        ({"token": BOTH}, ["A"], {"token": tokens.count(INPUT) + 1}),
        ({"token": BOTH}, [""], {"token": 0}),
        (
            APART,
            ["Where words"],
            {"input_token": tokens.count(INPUT), "output_token": 2},
        ),
        (
            APART,
            [],
            {"input_token": 0, "output_token": 0},
        ),
        ({}, ["a"], {"request": 3}),
        ({}, [], {"request": 0}),
    ],
)
def test_what_was_said_is_counted(counted: dict[str, Counted], pieces: list[str], expected: dict[str, int]) -> None:
    """With the input where that is charged; nothing said is nothing used."""
    meter = Meter(counted, GIVEN, dict.fromkeys(counted, 1_000) or {"request": 3})
    for piece in pieces:
        meter.put(piece)
    assert meter.units() == expected
    meter.prepare()
    assert meter.units() == expected


def test_the_provider_knows_better() -> None:
    """It says what the input was, and the output so far; what comes after that is counted here."""
    meter = Meter({"character": BOTH}, GIVEN, {"character": 1_000})
    meter.say("input", 12)
    assert meter.units() == {"character": 0}
    meter.put("abcd")
    assert meter.units() == {"character": 16}
    meter.say("output", 1)
    assert meter.units() == {"character": 13}
    meter.put("ef")
    assert meter.units() == {"character": 15}
    meter.say("output", 30)
    assert meter.units() == {"character": 42}
    assert not meter.is_full()
    meter.say("output", 988)
    assert meter.is_full()


@pytest.mark.parametrize("unit", ["character", "token"])
def test_a_meter_is_full_when_its_bound_is_reached(unit: str) -> None:
    """Not a piece sooner or later, and never counts beyond it."""
    chance = random.Random(3)
    words = [chance.choice(["a", "über ", "lighthouse", "𝄞", " the", "\n"]) for _ in range(600)]
    meter = Meter({unit: Counted()}, {}, {unit: 400})
    count = {"character": len, "token": tokens.count}[unit]
    said = ""
    for word in words:
        assert not meter.is_full()
        meter.put(word)
        said += word
        if count(said) >= 400:
            break
    assert meter.is_full()
    assert meter.units() == {unit: 400}


def test_what_is_known_before_fills_no_meter() -> None:
    """The input's units are all of its quote, and there may be no bound at all."""
    meter = Meter(APART, GIVEN, {"input_token": 1, "output_token": 50})
    meter.put("Where words fail")
    assert not meter.is_full()
    assert meter.units() == {"input_token": 1, "output_token": 3}
    meter = Meter({"character": Counted()}, {})
    meter.put("x" * 10_000)
    assert not meter.is_full()
    assert meter.units() == {"character": 10_000}


def test_half_a_character_is_replaced() -> None:
    """JSON may hold one, and nothing else can."""
    meter = Meter({"character": Counted()}, {})
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
