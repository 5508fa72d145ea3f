"""A text without the personal data in it."""

import re
from collections import Counter
from typing import Any

from services.executor.material import personal_data

MASK = "*"


def run(input: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    """`text` with placeholders or asterisks for what was found, and how much of each type; raises REGION_UNKNOWN."""
    text = input["text"]
    found = personal_data.find(text, input.get("types"), input.get("region"))
    is_mask = input.get("style") == "mask"
    redacted: list[str] = []
    cursor = 0
    for each in found:
        hidden = re.sub(r"\S", MASK, text[each.start : each.end]) if is_mask else f"[{each.type.upper()}]"
        redacted += text[cursor : each.start], hidden
        cursor = each.end
    return {
        "text": "".join([*redacted, text[cursor:]]),
        "counts": dict(Counter(each.type for each in found)),
    }
