"""Files in a tool's output: `data:` URLs, which the JSON of an output can hold."""

import base64


def data_url(media_type: str, data: bytes) -> str:
    """The content as a `data:` URL, a third longer than it is."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"
