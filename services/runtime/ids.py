"""The only place that draws random numbers: ids, keys and secrets."""

import secrets
import uuid

from services.runtime import clock

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def uuid7() -> str:
    """A UUID version 7: 48 bits of Unix milliseconds, then random bits; sorts by time of making."""
    millis = clock.now_us() // 1_000
    value = (millis << 80) | (0x7 << 76) | (secrets.randbits(12) << 64) | (0b10 << 62)
    return str(uuid.UUID(int=value | secrets.randbits(62)))


def base62(length: int) -> str:
    """Random characters of 0-9A-Za-z, 5.95 bits each."""
    return "".join(secrets.choice(BASE62) for _ in range(length))


def fraction() -> float:
    """A random number in [0, 1), for jitter."""
    return secrets.randbelow(1 << 32) / (1 << 32)


def random_bytes(length: int) -> bytes:
    """Unpredictable bytes, for nonces."""
    return secrets.token_bytes(length)
