"""Good answers as JSON; amounts and outputs are encoded once, without passing through Python objects again."""

import msgspec
from litestar import Response

AGE_HEADER = {"Age": "Seconds since the catalog told this; it does not answer now."}
_ENCODER = msgspec.json.Encoder()


def of(value: msgspec.Struct, status: int = 200, headers: dict[str, str] | None = None) -> "Answer":
    """An answer with a shape as its body."""
    return Response(_ENCODER.encode(value), status_code=status, headers=headers, media_type="application/json")


def age(seconds: int) -> dict[str, str]:
    """Says that an answer is a copy of `seconds` ago; nothing for one that is fresh."""
    return {"Age": str(seconds)} if seconds else {}


Answer = Response[bytes]
