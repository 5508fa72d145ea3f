"""deepl."""

import json
import sys

import deepl

told = json.load(sys.stdin)
given = told["input"]
translator = deepl.Translator(told["key"], server_url=told["base"], send_platform_info=False)
translator.translate_text(given["texts"], target_lang=given["target_language"])
