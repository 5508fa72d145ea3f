"""Faces in a picture, by MediaPipe: where they are, not whose."""

from functools import cache
from typing import Any

from services.executor.material import people, pictures

# A detector that looks at the whole of a picture sees no smaller faces in more pixels.
SIDE_MAX = 1_280
PLACES = 4
POINTS = ("right_eye", "left_eye", "nose", "mouth", "right_ear", "left_ear")


def run(input: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    """Every face found in `image`, in pixels of the picture as it is shown, the surest first."""
    import numpy

    picture = pictures.on_white(pictures.plain(pictures.read(files["image"])))
    width, height = picture.size
    picture.thumbnail((SIDE_MAX, SIDE_MAX))
    found = _detector().process(numpy.asarray(picture)).detections or []
    faces = [_describe(one, width, height) for one in found]
    faces.sort(key=lambda face: face["confidence"], reverse=True)
    return {"width": width, "height": height, "faces": faces}


def _describe(found: Any, width: int, height: int) -> dict[str, Any]:
    box = found.location_data.relative_bounding_box
    points = found.location_data.relative_keypoints
    return {
        "confidence": round(min(found.score[0], 1.0), PLACES),
        "box": {
            "x": round(box.xmin * width),
            "y": round(box.ymin * height),
            "width": round(box.width * width),
            "height": round(box.height * height),
        },
        "points": {
            name: {"x": round(point.x * width), "y": round(point.y * height)}
            for name, point in zip(POINTS, points, strict=True)
        },
    }


@cache
def _detector() -> Any:
    return people.solutions().face_detection.FaceDetection(model_selection=1, min_detection_confidence=0.5)
