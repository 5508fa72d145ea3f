"""Sounds for the tests: a voice that says vowels, silence, a tone; as WAV files."""

import io
import wave
from typing import Any

import numpy

# Formants in Hz of ah, ee, oh.
VOWELS = ((700, 1_220, 2_600), (280, 2_250, 2_900), (450, 800, 2_830))


def voice(seconds: float, rate: int = 16_000) -> Any:
    """Vowels of a quarter of a second each, -1 to 1."""
    time = numpy.arange(int(seconds * rate)) / rate
    pitch = 2 * numpy.pi * numpy.cumsum(180 * (1 + 0.05 * numpy.sin(2 * numpy.pi * 4 * time))) / rate
    vowel = (time * 4).astype(int) % len(VOWELS)
    sound = numpy.zeros(len(time))
    for harmonic in range(1, min(20, rate // 2 // 200)):
        loud = [sum(1 / (1 + ((harmonic * 180 - peak) / 90) ** 2) for peak in formants) for formants in VOWELS]
        sound += numpy.array(loud)[vowel] * numpy.sin(harmonic * pitch)
    return sound / abs(sound).max() * (0.3 + 0.5 * abs(numpy.sin(2 * numpy.pi * 2 * time)))


def silence(seconds: float, rate: int = 16_000) -> Any:
    return numpy.zeros(int(seconds * rate))


def tone(seconds: float, rate: int = 16_000) -> Any:
    return numpy.sin(2 * numpy.pi * 440 * numpy.arange(int(seconds * rate)) / rate) / 2


def wav(*parts: Any, rate: int = 16_000, channels: int = 1, sample_bytes: int = 2) -> bytes:
    """The parts, one after the other, in every channel."""
    samples = (numpy.repeat(numpy.concatenate(parts), channels) * (2 ** (8 * sample_bytes - 1) - 1)).astype("<i8")
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(sample_bytes)
        file.setframerate(rate)
        file.writeframes(samples.view("u1").reshape(-1, 8)[:, :sample_bytes].tobytes())
    return out.getvalue()
