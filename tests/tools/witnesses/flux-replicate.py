"""replicate."""

import json
import sys

import replicate

told = json.load(sys.stdin)
given = told["input"]
client = replicate.Client(api_token=told["key"], base_url=told["base"])
client.models.predictions.create(
    model="black-forest-labs/flux-1.1-pro",
    input={"prompt": given["prompt"], "aspect_ratio": "1:1", "output_format": "webp"},
    wait=True,
)
