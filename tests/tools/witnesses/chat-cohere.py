"""cohere."""

import json
import sys

import cohere

told = json.load(sys.stdin)
given = told["input"]
client = cohere.ClientV2(api_key=told["key"], base_url=told["base"])
client.chat(model="command-a-03-2025", messages=[{"role": "user", "content": given["message"]}], max_tokens=4096)
