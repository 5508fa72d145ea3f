"""Vectors that are near each other where texts mean the like, in some 100 languages."""

from typing import Any

from services.executor.material import embeddings

PLACES = 6


def run(input: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    """A vector for each of `texts`, in their order; raises TEXTS_TOO_LONG."""
    texts = input["texts"]
    embeddings.check_total(texts, "texts")
    vectors = embeddings.embed(texts, input.get("kind", "passage"))
    return {
        "embeddings": [[round(number, PLACES) for number in vector.tolist()] for vector in vectors],
        "dimensions": vectors.shape[1],
    }
