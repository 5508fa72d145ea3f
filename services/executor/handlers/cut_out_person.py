"""The people in a picture without what is behind them, by MediaPipe."""

from typing import Any

from services.executor.material import people, pictures


def run(input: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    """`image` with everything but people transparent; `share` tells how much of it they are."""
    import numpy
    from PIL import Image

    picture = pictures.on_white(pictures.plain(pictures.read(files["image"])))
    # One for each call: it carries what it saw over to the next picture.
    with people.solutions().selfie_segmentation.SelfieSegmentation(model_selection=0) as segmentation:
        mask = segmentation.process(numpy.asarray(picture)).segmentation_mask
    picture.putalpha(Image.fromarray((mask.clip(0, 1) * 255).astype("uint8")))
    return pictures.encode(picture, input.get("format", "png")) | {"share": round(float(mask.mean()), 4)}
