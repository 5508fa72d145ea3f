"""openai."""

import json
import sys

from openai import OpenAI

told = json.load(sys.stdin)
given = told["input"]
client = OpenAI(base_url=f"{told['base']}/v1", api_key=told["key"], max_retries=0)

client.chat.completions.create(
    model="gpt-6.1-sol",
    messages=[{"role": "user", "content": given["message"]}],
    max_completion_tokens=4096,
    stream=True,
    stream_options={"include_usage": True},
)
