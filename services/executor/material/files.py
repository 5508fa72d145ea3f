"""Files in a tool's output: `data:` URLs. Who calls the tool takes those out of it that are too large for JSON."""

import base64


def data_url(media_type: str, data: bytes) -> str:
    """The content as a `data:` URL, a third longer than it is."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"
