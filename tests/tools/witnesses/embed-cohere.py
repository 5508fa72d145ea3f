"""cohere."""

import json
import sys

import cohere

told = json.load(sys.stdin)
given = told["input"]
client = cohere.ClientV2(api_key=told["key"], base_url=told["base"])
client.embed(
    model="embed-v5.0-pro",
    input_type="search_document",
    texts=given["texts"],
    embedding_types=["float"],
    truncate="NONE",
)
