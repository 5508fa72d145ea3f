"""Quotes are tokens that the catalog signs and nobody stores: for whom, which tool, which input, how much, until when.

A token is base64url of a binary form and its HMAC-SHA-256, some 300 characters. Whoever holds one can read it, only a
key's holder can make one. The nonce makes each quote another one, and with the account gives the id of its job.
"""

import base64
import binascii
import hashlib
import hmac
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.runtime.settings import SettingsError

TOKEN_CHARS_MAX = 1_024
VALID_SECONDS = 300
NONCE_BYTES = 16
KEY_BYTES_MIN = 32
_MAC_BYTES = 32
_FORM = 2
_JOB_ID_CHARS = 26
# form, nonce, version, price version, exact, amount, amount at most, expiry in µs, digest, bytes of account and tool
_HEAD = struct.Struct(f">B{NONCE_BYTES}sII?qqq32sBB")
# units, bytes of their name, which follows
_UNITS = struct.Struct(">qB")


@dataclass(frozen=True, slots=True)
class Claims:
    """What a quote says. Amounts in microcredits, `expires_at_us` in microseconds since the Unix epoch."""

    nonce: bytes
    account_id: str
    tool: str
    version: int
    price_version: int
    units: Mapping[str, int]
    exact: bool
    amount_micros: int
    amount_max_micros: int
    input_digest: str
    expires_at_us: int

    @property
    def job_id(self) -> str:
        """The id of the job and of the reservation: the same for whoever knows account and nonce."""
        digest = hashlib.sha256(self.account_id.encode() + b"\0" + self.nonce).digest()
        return "job_" + base64.b32encode(digest).decode().lower()[:_JOB_ID_CHARS]


def sign(claims: Claims, keys: Sequence[bytes]) -> str:
    """The token, signed with the first key."""
    account, tool = claims.account_id.encode(), claims.tool.encode()
    body = (
        _HEAD.pack(
            _FORM,
            claims.nonce,
            claims.version,
            claims.price_version,
            claims.exact,
            claims.amount_micros,
            claims.amount_max_micros,
            claims.expires_at_us,
            bytes.fromhex(claims.input_digest),
            len(account),
            len(tool),
        )
        + account
        + tool
        + b"".join(_UNITS.pack(n, len(unit.encode())) + unit.encode() for unit, n in claims.units.items())
    )
    return _encode(body + _mac(keys[0], body))


def verify(token: str, keys: Sequence[bytes]) -> Claims | None:
    """What a token says, or None if no key of ours signed it, whatever else may be wrong with it."""
    if len(token) > TOKEN_CHARS_MAX:
        return None
    try:
        data = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        return None
    if _encode(data) != token:
        return None
    body, mac = data[:-_MAC_BYTES], data[-_MAC_BYTES:]
    # No early end: the time must not tell which key, or how much of it, fits.
    if not sum(hmac.compare_digest(_mac(key, body), mac) for key in keys):
        return None
    if body[0] != _FORM:
        return None
    _, nonce, version, price_version, exact, amount, amount_max, expiry, digest, account_n, tool_n = _HEAD.unpack_from(
        body
    )
    names = body[_HEAD.size :]
    return Claims(
        nonce=nonce,
        account_id=names[:account_n].decode(),
        tool=names[account_n : account_n + tool_n].decode(),
        version=version,
        price_version=price_version,
        units=dict(_units(names[account_n + tool_n :])),
        exact=exact,
        amount_micros=amount,
        amount_max_micros=amount_max,
        input_digest=digest.hex(),
        expires_at_us=expiry,
    )


def _units(body: bytes) -> Iterator[tuple[str, int]]:
    while body:
        n, length = _UNITS.unpack_from(body)
        end = _UNITS.size + length
        yield body[_UNITS.size : end].decode(), n
        body = body[end:]


def read_keys(path: Path) -> tuple[bytes, ...]:
    """The keys of SCRIP_QUOTE_KEYS_FILE; raises SettingsError, which never shows a key."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"SCRIP_QUOTE_KEYS_FILE: cannot read {path}: {error}") from error
    keys = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            key = base64.b64decode(line.strip(), validate=True)
        except binascii.Error:
            key = b""
        if len(key) < KEY_BYTES_MIN:
            raise SettingsError(
                f"SCRIP_QUOTE_KEYS_FILE: line {number} must be base64 of at least {KEY_BYTES_MIN} bytes"
            )
        keys.append(key)
    if not keys:
        raise SettingsError(f"SCRIP_QUOTE_KEYS_FILE: {path} holds no key")
    return tuple(keys)


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _mac(key: bytes, body: bytes) -> bytes:
    return hmac.digest(key, b"scrip quote\0" + body, "sha256")
