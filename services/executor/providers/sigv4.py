"""Requests signed as Amazon Web Services want it: Signature Version 4, HMAC-SHA-256 over a canonical form. Pure.

The secret is `ACCESS_KEY_ID:SECRET_ACCESS_KEY`, with a third part where it is a session's.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl, quote, urlsplit

ALGORITHM = "AWS4-HMAC-SHA256"
# Beside every `x-amz-…`.
_SIGNED = frozenset({"host", "content-type"})


@dataclass(frozen=True, slots=True)
class Scope:
    """What a signature is good for: a day, a region and a service."""

    day: str
    region: str
    service: str

    def __str__(self) -> str:
        return f"{self.day}/{self.region}/{self.service}/aws4_request"

    def key(self, secret: str) -> bytes:
        """The key of this scope, which is of no use for another."""
        key = f"AWS4{secret}".encode()
        for part in (self.day, self.region, self.service, "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        return key


def headers_of(
    method: str, url: str, headers: Mapping[str, str], content: bytes, secret: str, place: tuple[str, str], at: datetime
) -> dict[str, str]:
    """The headers (lower case) with those that sign the request; `place` is region and service, `at` in UTC."""
    key_id, _, rest = secret.partition(":")
    secret_key, _, token = rest.partition(":")
    stamp = at.strftime("%Y%m%dT%H%M%SZ")
    sent = {**headers, "x-amz-date": stamp} | ({"x-amz-security-token": token} if token else {})
    scope = Scope(stamp[:8], *place)
    names, canonical = _canonical(method, url, sent, content)
    text = "\n".join((ALGORITHM, stamp, str(scope), hashlib.sha256(canonical.encode()).hexdigest()))
    signature = hmac.digest(scope.key(secret_key), text.encode(), "sha256").hex()
    authorization = f"{ALGORITHM} Credential={key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
    return sent | {"authorization": authorization}


def _canonical(method: str, url: str, headers: Mapping[str, str], content: bytes) -> tuple[str, str]:
    """The names of the headers that are signed, and the form of the request that is."""
    parts = urlsplit(url)
    signed = {
        name: " ".join(value.split())
        for name, value in ({"host": parts.netloc} | dict(headers)).items()
        if name in _SIGNED or name.startswith("x-amz-")
    }
    names = ";".join(sorted(signed))
    query = sorted((_quoted(name), _quoted(value)) for name, value in parse_qsl(parts.query, keep_blank_values=True))
    return names, "\n".join(
        (
            method,
            # Each service but S3 wants what stands in the URL quoted once more.
            quote(parts.path or "/", safe="/~"),
            "&".join(f"{name}={value}" for name, value in query),
            *(f"{name}:{signed[name]}" for name in sorted(signed)),
            "",
            names,
            hashlib.sha256(content).hexdigest(),
        )
    )


def _quoted(text: str) -> str:
    return quote(text, safe="~")
