"""Personal data in a text: what it is and where."""

from collections import Counter
from typing import Any

from services.executor.material import personal_data

ENTITIES_MAX = 5_000


def run(input: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    """The first 5,000 entities of `text` in order, and how many there are of each type; raises REGION_UNKNOWN."""
    text = input["text"]
    found = personal_data.find(text, input.get("types"), input.get("region"))
    return {
        "entities": [
            {"type": each.type, "text": text[each.start : each.end], "start": each.start, "end": each.end}
            for each in found[:ENTITIES_MAX]
        ],
        "counts": dict(Counter(each.type for each in found)),
    }
