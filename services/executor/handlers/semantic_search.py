"""Ranks documents by how near their meaning is to that of a question, whatever words and languages they use."""

from typing import Any

from services.executor.material import embeddings

PLACES = 4


def run(input: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    """The `count` best of `documents` by the cosine of their vectors with that of `query`; raises TEXTS_TOO_LONG."""
    documents = input["documents"]
    embeddings.check_total(documents, "documents")
    (question,) = embeddings.embed([input["query"]], "query")
    cosines = (embeddings.embed(documents, "passage") @ question).tolist()
    # Rounded before they are ranked, so that equal documents stay in their order.
    results = [{"index": index, "score": round(cosine, PLACES)} for index, cosine in enumerate(cosines)]
    return {"results": sorted(results, key=lambda one: -one["score"])[: input.get("count")]}
