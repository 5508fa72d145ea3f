"""deepgram-sdk."""

import base64
import json
import sys

from deepgram import DeepgramClient
from deepgram.environment import DeepgramClientEnvironment

told = json.load(sys.stdin)
given = told["input"]
_, _, data = given["audio"].partition(";base64,")
where = DeepgramClientEnvironment(
    base=told["base"], production=told["base"], agent=told["base"], agent_rest=told["base"]
)
client = DeepgramClient(api_key=told["key"], environment=where)
client.listen.v1.media.transcribe_file(
    request=base64.b64decode(data), model="nova-3", detect_language=True, smart_format=True, utterances=True
)
