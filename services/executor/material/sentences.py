"""Where the sentences of a text begin and end: by punctuation and blank lines, in one pass, for any language."""

import re
from collections.abc import Iterator

# Ends that need a space after them; those of Chinese and Japanese, which need none; blank lines. Each is looked for
# where its run begins only, so that a text of nothing but dots is read once.
_END = re.compile(
    r"""
    (?<![.!?…؟।]) (?P<mark>[.!?…؟।]++) ["'”’»)\]]*+ (?=\s|\Z)
    | [。！？]++ ["'”’」』）]*+
    | \n[^\S\n]*+ (?=\n)
    """,
    re.VERBOSE,
)
_LAST_WORD = re.compile(r"[^\s(\[\"“„«]*\Z")
_WORD_MAX = 24
_ABBREVIATION = re.compile(
    "approx|apr|aug|bspw|bzw|ca|capt|cf|co|corp|dec|dept|dr|evtl|feb|fig|ggf|gov|hr|inc|inkl|jan|jr|ltd|mar|mio|mlle|mme|"
    "mr|mrs|ms|nov|nr|oct|pp|prof|rep|rev|sen|sep|sept|sog|sr|st|str|tel|vgl|vol|vs|zzgl"
)
# These may also end a sentence; whether they do tells the next letter.
_LAST_ABBREVIATION = re.compile(r"a\.m|al|etc|no|p\.m|usf|usw")
_ELLIPSES = ("...", "…")


def spans(text: str, *, ordinals: bool = False) -> Iterator[tuple[int, int]]:
    """Start and end of every sentence, in code points, without the space around it.

    `ordinals`: a number of one or two digits with a dot is an ordinal, as in German, and ends no sentence.
    """
    start = 0
    for found in _END.finditer(text):
        if found["mark"] and _goes_on(text, start, found, ordinals):
            continue
        yield from trimmed(text, start, found.end())
        start = found.end()
    yield from trimmed(text, start, len(text))


def _goes_on(text: str, start: int, found: re.Match[str], ordinals: bool) -> bool:
    """Whether the sentence goes on after the mark: within it, or because the dot belongs to the word before it."""
    mark, is_quoted = found["mark"], found.end() > found.end("mark")
    is_small = text[found.end() : found.end() + 2].strip()[:1].islower()
    if mark != ".":
        return is_small and (is_quoted or mark in _ELLIPSES)
    last = _LAST_WORD.search(text, max(start, found.start() - _WORD_MAX), found.start())
    word = last.group().lower() if last else ""
    if _LAST_ABBREVIATION.fullmatch(word) or is_quoted:
        return is_small
    if word.isdecimal():
        return ordinals and len(word) <= 2
    is_initial = len(word) == 1 and word.isalpha() and word != "i"
    return is_initial or "." in word.strip(".") or _ABBREVIATION.fullmatch(word) is not None


def trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The piece without the space around it; nothing where it is all space."""
    piece = text[start:end]
    left = len(piece) - len(piece.lstrip())
    length = len(piece.strip())
    if length:
        yield start + left, start + left + length
