"""openai."""

import json
import sys

from openai import OpenAI

told = json.load(sys.stdin)
given = told["input"]
client = OpenAI(base_url=f"{told['base']}/v1", api_key=told["key"], max_retries=0)

client.audio.speech.create(
    model="gpt-4o-mini-tts",
    input=given["text"],
    voice=given["voice"],
    instructions=given["manner"],
    response_format="mp3",
)
