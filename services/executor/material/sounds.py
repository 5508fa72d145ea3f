"""Sounds: 16-bit WAV files, read with a bound on their length and made mono at the rate a model wants; and written."""

import io
import wave
from typing import TYPE_CHECKING, Any

from services.executor.material.errors import ToolError
from services.executor.material.files import data_url

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

RATE_MIN, RATE_MAX = 8_000, 48_000
CHANNELS_MAX = 2
SAMPLE_BYTES = 2
SECONDS_MAX = 300


def read_wav(data: bytes, rate: int, seconds_max: int = SECONDS_MAX) -> "NDArray[float32]":
    """The samples of a WAV file, -1 to 1, mixed to one channel, `rate` a second; a file cut off is read to its end.

    Raises ToolError: SOUND_UNREADABLE, SOUND_UNSUITABLE, SOUND_TOO_LONG.
    """
    import numpy

    try:
        with wave.open(io.BytesIO(data)) as file:
            channels, sample_bytes, own_rate = file.getparams()[:3]
            _check(channels, sample_bytes, own_rate)
            frames = file.readframes(file.getnframes())
    except (wave.Error, EOFError, RuntimeError) as error:
        raise ToolError("SOUND_UNREADABLE", "the file is not a WAV file of PCM samples, or is damaged") from error
    whole = len(frames) - len(frames) % (channels * SAMPLE_BYTES)
    samples = numpy.frombuffer(frames[:whole], "<i2").reshape(-1, channels).mean(axis=1) / 32_768
    seconds = len(samples) / own_rate
    if not seconds:
        raise ToolError("SOUND_UNREADABLE", "the WAV file has no samples")
    if seconds > seconds_max:
        raise ToolError("SOUND_TOO_LONG", f"the sound lasts {seconds:.1f} seconds, at most {seconds_max} are taken")
    return _resampled(samples, own_rate / rate).astype(numpy.float32)


def _check(channels: int, sample_bytes: int, rate: int) -> None:
    if sample_bytes != SAMPLE_BYTES:
        raise ToolError("SOUND_UNSUITABLE", f"the samples have {8 * sample_bytes} bits, 16 are taken")
    if channels > CHANNELS_MAX:
        raise ToolError("SOUND_UNSUITABLE", f"the sound has {channels} channels, at most {CHANNELS_MAX} are taken")
    if not RATE_MIN <= rate <= RATE_MAX:
        raise ToolError("SOUND_UNSUITABLE", f"the sound has {rate} Hz, {RATE_MIN} to {RATE_MAX} are taken")


def _resampled(samples: "NDArray[float32]", step: float) -> "NDArray[float32]":
    """One sample in place of each `step`: their mean, which keeps most of what is above the new rate out."""
    import numpy

    if step == 1:
        return samples
    sums = numpy.concatenate(([0.0], numpy.cumsum(samples)))
    edges = numpy.arange(int(len(samples) / step) + 1) * step
    means: NDArray[float32] = numpy.diff(numpy.interp(edges, numpy.arange(len(sums)), sums)) / step
    return means


def encode_wav(samples: "NDArray[float32]", rate: int) -> dict[str, Any]:
    """One channel of samples, -1 to 1, as the output members of a tool: `sound` (data: URL), `duration_seconds`."""
    import numpy

    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, SAMPLE_BYTES, rate, 0, "NONE", ""))
        file.writeframes((numpy.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes())
    return {"sound": data_url("audio/wav", out.getvalue()), "duration_seconds": round(len(samples) / rate, 3)}
