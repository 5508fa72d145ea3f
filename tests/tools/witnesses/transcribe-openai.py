"""openai."""

import base64
import json
import sys

from openai import OpenAI

told = json.load(sys.stdin)
given = told["input"]
client = OpenAI(base_url=f"{told['base']}/v1", api_key=told["key"], max_retries=0)

media_type, _, data = given["audio"].removeprefix("data:").partition(";base64,")
client.audio.transcriptions.create(
    file=("audio", base64.b64decode(data), media_type),
    model="whisper-1",
    response_format="verbose_json",
    language="en",
    prompt="A greeting to Ada.",
)
