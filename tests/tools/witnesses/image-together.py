"""together."""

import json
import sys

from together import Together

told = json.load(sys.stdin)
given = told["input"]
client = Together(base_url=told["base"], api_key=told["key"], max_retries=0)
client.images.generate(
    model="black-forest-labs/FLUX.1-schnell",
    prompt=given["prompt"],
    width=1024,
    height=1024,
    steps=4,
    n=1,
    response_format="base64",
    output_format="jpeg",
)
