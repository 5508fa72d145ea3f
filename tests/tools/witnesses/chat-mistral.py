"""mistralai."""

import json
import sys

from mistralai.client import Mistral

told = json.load(sys.stdin)
given = told["input"]
client = Mistral(api_key=told["key"], server_url=told["base"])
client.chat.stream(
    model="mistral-large-latest", messages=[{"role": "user", "content": given["message"]}], max_tokens=4096
)
