"""Where someone speaks in a sound."""

import pytest

from services.executor.handlers import detect_speech
from tests.executor.handlers.picture_samples import refusal
from tests.executor.handlers.sound_samples import silence, tone, voice, wav


def heard(data: bytes) -> list[tuple[float, float]]:
    """Start and end of each part with speech."""
    return [(part["start"], part["end"]) for part in detect_speech.run({}, {"sound": data})["segments"]]


@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (16_000, 1), (22_050, 2), (44_100, 2), (48_000, 1)])
def test_speech_is_found_between_silences(rate: int, channels: int) -> None:
    """To a tenth of a second, at every rate."""
    parts = [silence(1, rate), voice(2, rate), silence(1, rate), voice(1, rate)]
    output = detect_speech.run({}, {"sound": wav(*parts, rate=rate, channels=channels)})
    first, second = output["segments"]
    assert (first["start"], first["end"]) == pytest.approx((1, 3), abs=0.1)
    assert (second["start"], second["end"]) == pytest.approx((4, 5), abs=0.1)
    assert (output["duration_seconds"], output["speech_share"]) == pytest.approx((5, 0.6), abs=0.02)


def test_speech_to_the_last_sample_ends_with_the_sound() -> None:
    """Not with the silence that it is filled up with."""
    assert heard(wav(voice(1.234)))[-1][1] == 1.234


def test_a_short_pause_is_part_of_the_speech() -> None:
    """A long one is not."""
    assert len(heard(wav(voice(1), silence(0.15), voice(1)))) == 1
    assert len(heard(wav(voice(1), silence(0.8), voice(1)))) == 2


@pytest.mark.parametrize("data", [wav(silence(2)), wav(tone(2)), wav(silence(0.001))])
def test_what_is_no_speech_has_none(data: bytes) -> None:
    """Silence, a tone, a click."""
    output = detect_speech.run({}, {"sound": data})
    assert (output["segments"], output["speech_share"]) == ([], 0)


def test_one_call_does_not_remember_another() -> None:
    """The model carries on from chunk to chunk, but not from sound to sound."""
    first = heard(wav(voice(1)))
    heard(wav(voice(3)))
    assert heard(wav(voice(1))) == first


def test_a_sound_that_cannot_be_used_is_the_callers() -> None:
    """With a reason that a program can tell."""
    assert refusal(detect_speech.run, {}, sound=b"hello").reason == "SOUND_UNREADABLE"
