"""Texts read aloud."""

import base64
import io
import wave
from typing import Any

import pytest

from services.executor.handlers import speak_text
from tests.executor.handlers.extras import needs
from tests.executor.handlers.picture_samples import refusal

pytestmark = needs(programs=("espeak-ng",))


def spoken(text: str, **input: Any) -> tuple[float, bytes]:
    """Seconds and samples; the file says how long it is."""
    output = speak_text.run({"text": text} | input, {})
    with wave.open(io.BytesIO(base64.b64decode(output["sound"].partition(",")[2]))) as file:
        channels, sample_bytes, rate, frames = file.getparams()[:4]
        samples = file.readframes(frames)
    assert (channels, sample_bytes, len(samples)) == (1, 2, 2 * frames)
    assert output["duration_seconds"] == pytest.approx(frames / rate, abs=0.001)
    return output["duration_seconds"], samples


def test_a_longer_text_takes_longer() -> None:
    """And there is something to hear."""
    short, long = spoken("One."), spoken("One two three four five six seven.")
    assert 0.2 < short[0] < long[0] / 2
    assert max(short[1]) > 0


def test_a_slower_voice_takes_longer() -> None:
    """Words a minute."""
    assert (
        spoken("Where words fail.", words_per_minute=80)[0] > 1.5 * spoken("Where words fail.", words_per_minute=320)[0]
    )


@pytest.mark.parametrize("language", ["en-us", "de", "fr-fr", "vi", "uk"])
def test_a_language_has_a_voice_of_its_own(language: str) -> None:
    """The same text sounds otherwise."""
    assert spoken("Radio Paris", language=language)[1] != spoken("Radio Paris", language="en-gb")[1]


@pytest.mark.parametrize("text", ["-v de --help", "<speak>x</speak>", "a\nb\0c", "日本語", "…", "/etc/passwd"])
def test_a_text_is_only_ever_a_text(text: str) -> None:
    """No option, no markup, no file."""
    assert spoken(text)[0] >= 0


def test_a_sound_that_no_output_can_hold_is_told_in_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow voice takes longer."""
    monkeypatch.setattr(speak_text, "BYTES_MAX", 100_000)
    refused = refusal(speak_text.run, {"text": "Hello, this is a sentence. ", "words_per_minute": 80})
    assert refused.reason == "TEXT_TOO_LONG"
    assert "at most 100,000 can be handed out" in refused.message
