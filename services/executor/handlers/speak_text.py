"""A text read aloud, by the program espeak-ng."""

import io
import wave
from typing import Any

from services.executor.material.errors import ToolError
from services.executor.material.files import data_url
from services.executor.material.programs import run_program
from services.executor.rules.output_files import FILES_BYTES_MAX

SECONDS_MAX = 30
BYTES_MAX = FILES_BYTES_MAX


def run(input: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    """`text` in the voice of `language` at `words_per_minute`, as WAV of one channel."""
    arguments = ["--stdin", "--stdout", "-b", "1", "-v", input.get("language", "en")]
    arguments += ["-s", str(input.get("words_per_minute", 170))]
    spoken = run_program("espeak-ng", arguments, input["text"].encode(), SECONDS_MAX)
    if len(spoken) > BYTES_MAX:
        raise ToolError(
            "TEXT_TOO_LONG", f"the sound has {len(spoken):,} bytes, at most {BYTES_MAX:,} can be handed out"
        )
    return _with_length(spoken)


def _with_length(spoken: bytes) -> dict[str, Any]:
    """The sound with a header that says how long it is, which a program that writes into a pipe cannot know."""
    out = io.BytesIO()
    with wave.open(io.BytesIO(spoken)) as source, wave.open(out, "wb") as target:
        frames = source.readframes(source.getnframes())
        channels, sample_bytes, rate = source.getparams()[:3]
        target.setparams((channels, sample_bytes, rate, 0, "NONE", ""))
        target.writeframes(frames)
    seconds = len(frames) / (channels * sample_bytes * rate)
    return {"sound": data_url("audio/wav", out.getvalue()), "duration_seconds": round(seconds, 3)}
