"""The text in a picture, by the program tesseract."""

import io
from typing import Any

from services.executor.material import pictures
from services.executor.material.programs import run_program

SECONDS_MAX = 60
CHARS_MAX = 500_000


def run(input: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    """The text in `image`, its lines as they stand; a picture without any gives an empty one."""
    # The program is given a picture that was made here, never the caller's file.
    grey = pictures.on_white(pictures.plain(pictures.read(files["image"]))).convert("L")
    out = io.BytesIO()
    grey.save(out, "PNG", compress_level=1)
    arguments = ["stdin", "stdout", "-l", input.get("language", "eng")]
    text = run_program("tesseract", arguments, out.getvalue(), SECONDS_MAX).decode("utf-8", "replace")
    # It ends a page with a form feed.
    return {"text": text.replace("\f", "").strip()[:CHARS_MAX]}
