"""Media types that callers give with files: providers get them in headers, so each is as RFC 6838 says."""

import re

DEFAULT = "application/octet-stream"
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,62}/[a-z0-9][a-z0-9!#$&^_.+-]{0,62}", re.ASCII)
WANTED = "must be a media type such as application/pdf"


def read(text: str) -> str | None:
    """A media type without parameters, in lower case; the default where none is given, None for what is none."""
    media_type = text.partition(";")[0].strip().lower() or DEFAULT
    return media_type if _MEDIA_TYPE.fullmatch(media_type) else None
