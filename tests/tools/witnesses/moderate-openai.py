"""openai."""

import json
import sys

from openai import OpenAI

told = json.load(sys.stdin)
given = told["input"]
client = OpenAI(base_url=f"{told['base']}/v1", api_key=told["key"], max_retries=0)

client.moderations.create(model="omni-moderation-latest", input=[{"type": "text", "text": given["text"]}])
