"""anthropic: it sends the key as a bearer, and a newer version."""

import json
import sys

from anthropic import Anthropic

told = json.load(sys.stdin)
given = told["input"]
client = Anthropic(base_url=told["base"], api_key=told["key"], max_retries=0)
client.messages.create(
    model="claude-opus-5-5", max_tokens=4096, messages=[{"role": "user", "content": given["message"]}], stream=True
)
print(json.dumps({"other_headers": ["x-api-key", "anthropic-version"]}))
