"""`data:` URLs, as the examples of manifests give files."""

import base64
import binascii


def decode(url: str) -> tuple[str, bytes]:
    """Media type and content of `data:<media type>;base64,<content>`; raises ValueError with what is wrong."""
    head, comma, body = url.partition(",")
    scheme, _, described = head.partition(":")
    media_type, *parameters = described.split(";")
    if scheme != "data" or not comma or not media_type or parameters[-1:] != ["base64"]:
        raise ValueError("must be a data: URL, data:<media type>;base64,<content>")
    try:
        return media_type.lower(), base64.b64decode(body, validate=True)
    except binascii.Error as error:
        raise ValueError(f"is not base64: {error}") from error
