"""openai."""

import json
import sys

from openai import OpenAI

told = json.load(sys.stdin)
given = told["input"]
client = OpenAI(base_url=f"{told['base']}/v1", api_key=told["key"], max_retries=0)

client.embeddings.create(model="text-embedding-3-small", input=given["texts"], encoding_format="float")
