"""Manifests for tests, as an author would write them."""

from typing import Any

import yaml

from services.catalog.manifests import files as manifest_files
from services.catalog.manifests.manifest import Manifest

TEXT_TOOL = """\
slug: count-words
name: Count words
description: Counts the words of a text.
category: text
price:
  base: "0.5"
  per_unit: "0.01"
  unit: character
measure:
  from: input_characters
  pointer: /text
limits:
  input_bytes: 2000
  timeout_ms: 1000
run:
  kind: python
  handler: count_words
  retry: safe
input_schema:
  type: object
  additionalProperties: false
  required: [text]
  properties:
    text: {type: string, minLength: 1}
    mode: {enum: [fast, slow]}
output_schema:
  type: object
examples:
  - text: one two
"""

FILE_TOOL = """\
slug: shrink
name: Shrink
description: Makes a picture smaller.
category: images
price: {base: "1", per_unit: "2", unit: megabyte, minimum: "1.5"}
measure: {from: input_megabytes}
limits: {input_bytes: 3000000, timeout_ms: 1000}
run: {kind: python, handler: shrink, retry: unsafe, packages: [PIL]}
input_schema:
  type: object
  additionalProperties: false
  required: [image]
  properties:
    image: {type: string, format: scrip-file, contentMediaType: image/*}
    mask: {type: string, format: scrip-file, contentMediaType: image/png}
output_schema: {type: object}
examples:
  - image: data:image/png;base64,AAAA
"""


def manifest(text: str = TEXT_TOOL, **changes: Any) -> Manifest:
    """A sample with changes: `price__base="2"` goes into the price, None takes a member away."""
    return manifest_files.parse(changed(text, **changes))


def changed(text: str = TEXT_TOOL, **changes: Any) -> str:
    """The YAML of a sample with changes."""
    data = yaml.safe_load(text)
    for path, value in changes.items():
        *parents, name = path.split("__")
        part = data
        for parent in parents:
            part = part[parent]
        if value is None:
            part.pop(name, None)
        else:
            part[name] = value
    return str(yaml.safe_dump(data, sort_keys=False))
