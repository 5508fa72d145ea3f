"""JSON as RFC 8259 has it: Python's own reader also takes NaN and Infinity, and makes infinity of what is too large."""

import json
import math
import re
from typing import Any

# Longer integers are no numbers that anybody counts with, and others' readers fail on them.
DIGITS_MAX = 100
# Where there is none of these no number is too large, and the quick reader does.
_MAY_BE_LARGE = re.compile(rb"[eE]\+?\d{3}|\d{%d}" % DIGITS_MAX)


def loads(content: bytes) -> Any:
    """What it holds; raises ValueError for no JSON and for too large a number, RecursionError where it is deep."""
    if _MAY_BE_LARGE.search(content):
        return json.loads(content, parse_constant=_refuse, parse_float=_finite, parse_int=_bounded)
    return json.loads(content, parse_constant=_refuse)


def _refuse(text: str) -> float:
    raise ValueError(f"{text:.20} is no number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse(text)


def _bounded(text: str) -> float:
    return int(text) if len(text) <= DIGITS_MAX else _refuse(text)
