"""Sounds are read within bounds, and come out mono at the rate that is wanted."""

import struct

import numpy
import pytest

from services.executor.material import sounds
from services.executor.material.errors import ToolError
from tests.executor.handlers.picture_samples import halves, saved
from tests.executor.handlers.sound_samples import silence, tone, wav


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_sound_lasts_as_long_at_another_rate(rate: int, channels: int) -> None:
    """And a tone keeps its pitch."""
    samples = sounds.read_wav(wav(tone(1, rate), rate=rate, channels=channels), 16_000)
    assert (len(samples), samples.dtype) == (16_000, numpy.float32)
    assert numpy.abs(numpy.fft.rfft(samples)).argmax() == 440
    assert samples.max() == pytest.approx(0.5, abs=0.03)


def test_channels_are_mixed() -> None:
    """Of a sound on the left alone, half remains."""
    left = numpy.stack([tone(1), silence(1)], axis=1).reshape(-1)
    stereo = bytearray(wav(left))
    stereo[22:24], stereo[32:34] = struct.pack("<H", 2), struct.pack("<H", 4)
    assert sounds.read_wav(bytes(stereo), 16_000).max() == pytest.approx(0.25, abs=0.01)


def test_what_is_above_the_new_rate_is_mostly_left_out() -> None:
    """It would come back as another tone."""
    high = numpy.sin(2 * numpy.pi * 15_500 * numpy.arange(48_000) / 48_000) / 2
    assert abs(sounds.read_wav(wav(high, rate=48_000), 16_000)).max() < 0.1


@pytest.mark.parametrize("cut", [1, 2, 1_000])
def test_a_file_cut_off_is_read_to_its_end(cut: int) -> None:
    """Whoever writes into a pipe cannot say beforehand how long it will be."""
    assert len(sounds.read_wav(wav(tone(1))[:-cut], 16_000)) == 16_000 - (cut + 1) // 2


def test_the_longest_sound_is_taken() -> None:
    """A sample more is not."""
    longest = silence(sounds.SECONDS_MAX, 8_000)
    assert len(sounds.read_wav(wav(longest, rate=8_000), 8_000)) == len(longest)
    with pytest.raises(ToolError, match=r"lasts 300\.1 seconds, at most 300 are taken") as refused:
        sounds.read_wav(wav(longest, silence(0.1, 8_000), rate=8_000), 8_000)
    assert refused.value.reason == "SOUND_TOO_LONG"


FLOAT = b"RIFF$\0\0\0WAVEfmt \x10\0\0\0" + struct.pack("<HHIIHH", 3, 1, 16_000, 64_000, 4, 32) + b"data\0\0\0\0"
NO_CHANNELS = b"RIFF$\0\0\0WAVEfmt \x10\0\0\0" + struct.pack("<HHIIHH", 1, 0, 16_000, 0, 0, 16) + b"data\0\0\0\0"
ROWS = [
    ("nothing", b"", "SOUND_UNREADABLE", "not a WAV file"),
    ("no sound", b"hello", "SOUND_UNREADABLE", "not a WAV file"),
    ("a picture", saved(halves()), "SOUND_UNREADABLE", "not a WAV file"),
    ("an MP3", b"ID3\x04\0\0\0\0\0\0", "SOUND_UNREADABLE", "not a WAV file"),
    ("cut off in its header", wav(tone(1))[:30], "SOUND_UNREADABLE", "damaged"),
    ("floating point", FLOAT, "SOUND_UNREADABLE", "PCM"),
    ("no channels", NO_CHANNELS, "SOUND_UNREADABLE", "damaged"),
    ("no samples", wav(silence(0)), "SOUND_UNREADABLE", "no samples"),
    ("8 bits", wav(tone(1), sample_bytes=1), "SOUND_UNSUITABLE", "have 8 bits, 16 are taken"),
    ("24 bits", wav(tone(1), sample_bytes=3), "SOUND_UNSUITABLE", "have 24 bits, 16 are taken"),
    ("surround", wav(tone(1), channels=6), "SOUND_UNSUITABLE", "6 channels, at most 2"),
    ("too slow", wav(tone(1), rate=7_999), "SOUND_UNSUITABLE", "7999 Hz, 8000 to 48000"),
    ("too fast", wav(tone(1), rate=96_000), "SOUND_UNSUITABLE", "96000 Hz, 8000 to 48000"),
]


@pytest.mark.parametrize(("data", "reason", "what"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_a_sound_that_cannot_be_used_is_the_callers(data: bytes, reason: str, what: str) -> None:
    """With what it is and what is taken."""
    with pytest.raises(ToolError, match=what) as refused:
        sounds.read_wav(data, 16_000)
    assert refused.value.reason == reason


def test_a_damaged_sound_never_does_worse_than_be_refused() -> None:
    """Every byte of its header is turned over."""
    whole = wav(tone(0.1))
    for at in range(44):
        data = bytearray(whole)
        data[at] ^= 0xFF
        try:
            sounds.read_wav(bytes(data), 16_000)
        except ToolError as refused:
            assert refused.reason.startswith("SOUND_")
