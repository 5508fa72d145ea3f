"""Swear words in a text, by glin-profanity: plain, spelled around ("f.u.c.k", "sh!t", "fuuuck"), in 24 languages."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from glin_profanity.filters.scanner import ScanHit, Scanner

FOUND_MAX = 5_000
MASK = "*"
SCANNERS_MAX = 8
# The scanner compares all hits with all exceptions, so it is given the text in pieces that end with a word.
_PIECE = re.compile(r"\S[\s\S]{0,1999}\S{0,200}")


def run(input: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    """What was found in `text`, in order, and the text with it masked, as long as before."""
    text = input["text"]
    scanner = _scanner(tuple(sorted(set(input.get("languages", ["english"])))))
    found: list[dict[str, Any]] = []
    masked: list[str] = []
    cursor = count = 0
    for start, end, word in _hits(scanner, text):
        count += 1
        masked += text[cursor:start], re.sub(r"\S", MASK, text[start:end])
        cursor = end
        if len(found) < FOUND_MAX:
            found.append({"word": word, "text": text[start:end], "start": start, "end": end})
    masked.append(text[cursor:])
    return {"profane": count > 0, "count": count, "found": found, "masked_text": "".join(masked)}


def _hits(scanner: "Scanner", text: str) -> Iterator[tuple[int, int, str]]:
    """Start, end and dictionary word of what was found, in order; what overlaps is one."""
    for piece in _PIECE.finditer(text):
        hits = sorted(scanner.scan(piece.group()), key=lambda hit: (hit.start, -hit.end))
        together: list[ScanHit] = []
        for hit in hits:
            if together and hit.start >= max(each.end for each in together):
                yield _one(together, piece.start())
                together = []
            together.append(hit)
        if together:
            yield _one(together, piece.start())


def _one(hits: "list[ScanHit]", offset: int) -> tuple[int, int, str]:
    # The longest; of several readings of the same the one in letters: "fuck", not "f*ck".
    named = max(hits, key=lambda hit: (hit.end - hit.start, hit.word.isalpha()))
    return offset + min(hit.start for hit in hits), offset + max(hit.end for hit in hits), named.word


@lru_cache(maxsize=SCANNERS_MAX)
def _scanner(languages: tuple[str, ...]) -> "Scanner":
    from glin_profanity import Filter

    # What the filter gives out has no ends.
    return Filter({"languages": list(languages)})._scanner
