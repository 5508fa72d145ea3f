"""openai."""

import json
import sys

from openai import OpenAI

told = json.load(sys.stdin)
given = told["input"]
client = OpenAI(base_url=f"{told['base']}/v1", api_key=told["key"], max_retries=0)

client.images.generate(
    model="gpt-image-2", prompt=given["prompt"], size=given["size"], quality=given["quality"], output_format="webp"
)
