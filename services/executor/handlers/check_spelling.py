"""Words that the dictionary of a language does not have, with the likeliest right ones: pyspellchecker's dictionaries,
searched by rapidfuzz."""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spellchecker import SpellChecker

FOUND_MAX = 1_000
SUGGESTIONS_MAX = 5
# A search takes some 25 ms; the words after these are found and get none.
SEARCHES_MAX = 200
DICTIONARIES_MAX = 4
LETTERS_MAX = 60
ACRONYM_LETTERS_MAX = 5

_CHUNK = re.compile(r"\S+")
_ADDRESS = re.compile(r"://|@|^[\"'(\[]*(?:www\.|#)")
# Letters with their accents, also where these are characters of their own; nothing that touches a digit or underscore.
_WORD = re.compile(r"(?<!\w)[^\W\d_](?:[^\W\d_]|[\u0300-\u036f\u064b-\u0652]|['’](?=[^\W\d_]))*+(?!\w)")
_VOWEL_SIGNS = re.compile("[\u064b-\u0652]")
# Languages that write compounds as one word, and what may stand between its parts.
_LINKS = {"de": ("", "s", "n", "en", "es", "er"), "nl": ("", "s", "en", "e")}
_PART_LETTERS_MIN = 4
# Their dictionaries have some words without accents only: "naive" for "naïve", "een" for "één".
_ACCENTS_MISSING = frozenset(["en", "nl"])


def run(input: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    """The words of `text` that are in no dictionary, in order, at most 1,000 of them, with up to 5 suggestions each."""
    language = input.get("language", "en")
    checker = _checker(language)
    accepted = {_plain(word) for word in input.get("ignore", [])}
    suggestions: dict[str, list[str]] = {}
    misspelled: list[dict[str, Any]] = []
    words = count = 0
    verdicts: dict[str, bool] = {}
    for start, word in _words(input["text"]):
        words += 1
        key = _plain(word)
        if key not in verdicts:
            verdicts[key] = key in accepted or _is_known(checker, key, language)
        if verdicts[key] or _is_name(word):
            continue
        count += 1
        if len(misspelled) == FOUND_MAX:
            continue
        if key not in suggestions and len(suggestions) < SEARCHES_MAX:
            suggestions[key] = _nearest(checker, key)
        like = [_in_case_of(word, found) for found in suggestions.get(key, [])]
        misspelled.append({"word": word, "start": start, "end": start + len(word), "suggestions": like})
    return {"language": language, "word_count": words, "misspelled_count": count, "misspelled": misspelled}


def _words(text: str) -> Iterator[tuple[int, str]]:
    """Start and letters of every word; addresses, tags and single letters are none."""
    for chunk in _CHUNK.finditer(text):
        if _ADDRESS.search(chunk.group()):
            continue
        for found in _WORD.finditer(text, chunk.start(), chunk.end()):
            if 1 < len(found.group()) <= LETTERS_MAX:
                yield found.start(), found.group()


def _is_name(word: str) -> bool:
    """Whether a word of no dictionary is spelled as an acronym or a brand: NATO, iPhone."""
    if word.isupper():
        return len(word) <= ACRONYM_LETTERS_MAX
    return any(letter.isupper() for letter in word[1:])


def _is_known(checker: "SpellChecker", key: str, language: str) -> bool:
    dictionary = checker.word_frequency.dictionary
    if key in dictionary:
        return True
    if "'" in key:
        # John's and l'homme are known by their longest part, d'aujourd'hui by what comes after the first.
        after_first = key.partition("'")[2]
        return max(key.split("'"), key=len) in dictionary or ("'" in after_first and after_first in dictionary)
    if language in _ACCENTS_MISSING and _without_accents(key) in dictionary:
        return True
    if (links := _LINKS.get(language)) is None or not _is_compound(dictionary, key, links):
        return False
    # A compound that is one letter from a word is that word misspelled: "Wiederspruch".
    return not checker.known(checker.edit_distance_1(key))


def _is_compound(dictionary: dict[str, int], key: str, links: tuple[str, ...]) -> bool:
    """Whether a word can be cut into known parts. Looks at every cut once, from the right to the left."""
    ends = {len(key)}
    for cut in range(len(key) - _PART_LETTERS_MIN, -1, -1):
        for end in sorted(ends):
            if end - cut < _PART_LETTERS_MIN:
                continue
            part = key[cut:end]
            # The last part has nothing after it.
            for link in links if end < len(key) else ("",):
                if part.endswith(link) and _is_part(dictionary, part.removesuffix(link)):
                    ends.add(cut)
    return 0 in ends


def _is_part(dictionary: dict[str, int], part: str) -> bool:
    return len(part) >= _PART_LETTERS_MIN and part in dictionary


def _nearest(checker: "SpellChecker", key: str) -> list[str]:
    """The likeliest words within two edits, within one for short words: fewer edits first, then the more usual."""
    from rapidfuzz import process
    from rapidfuzz.distance import OSA

    dictionary = checker.word_frequency.dictionary
    edits = 1 if len(key) <= 3 else 2
    found = process.extract(key, dictionary.keys(), scorer=OSA.distance, score_cutoff=edits, limit=None)
    ranked = sorted(found, key=lambda match: (match[1], -dictionary[match[0]], match[0]))
    if not ranked and "'" in key:
        # l'hommme
        before, _, last = key.rpartition("'")
        return [f"{before}'{word}" for word in _nearest(checker, last)]
    return [word for word, *_ in ranked[:SUGGESTIONS_MAX]]


def _plain(word: str) -> str:
    """A word as the dictionaries have it."""
    plain = unicodedata.normalize("NFC", word).lower().replace("’", "'").replace("œ", "oe")
    return _VOWEL_SIGNS.sub("", plain)


def _without_accents(key: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFD", key) if not unicodedata.combining(letter))


def _in_case_of(word: str, suggestion: str) -> str:
    if word.isupper():
        return suggestion.upper()
    return suggestion[:1].upper() + suggestion[1:] if word[:1].isupper() else suggestion


@lru_cache(maxsize=DICTIONARIES_MAX)
def _checker(language: str) -> "SpellChecker":
    from spellchecker import SpellChecker

    return SpellChecker(language=language)
