"""A picture in another format, by Pillow."""

from typing import Any

from services.executor.material import pictures


def run(input: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    """`image` as `format`, upright, without metadata; of an animation, the first frame."""
    picture = pictures.plain(pictures.read(files["image"]))
    return pictures.encode(picture, input["format"], input.get("quality", 80))
