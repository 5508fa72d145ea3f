"""Webhooks: providers that call back when work is done, so that nobody has to wait for the next look.

What they say is not believed: a call back only makes its job look at once. A job's URL follows from its id and the
provider's secret, so that nobody else knows it and any executor that goes on with the job does.
"""

import base64
import contextlib
import hmac
from collections.abc import Iterator

from services.runtime.lifecycle import Signal

TOKEN_BYTES = 20


class Hooks:
    """One a process; `base_url` is where the gateway is reached from outside, empty: nowhere."""

    def __init__(self, base_url: str = "") -> None:
        self._base_url = base_url.rstrip("/")
        self._waiting: dict[str, Signal] = {}

    def url(self, token: str) -> str | None:
        """What a provider is given; None where it cannot call back."""
        return f"{self._base_url}/v1/hooks/{token}" if self._base_url and token else None

    @contextlib.contextmanager
    def waiting(self, token: str) -> Iterator[Signal]:
        """A signal that is poked by the calls back with this token."""
        signal = self._waiting[token] = Signal()
        try:
            yield signal
        finally:
            if self._waiting.get(token) is signal:
                del self._waiting[token]

    def called(self, token: str) -> None:
        """Somebody called back; tokens that nobody here waits for are another executor's, or made up."""
        if signal := self._waiting.get(token):
            signal.poke()


def token_of(job_id: str, secret: str) -> str:
    """A job's token, lower-case base32; empty where there is no secret to keep it."""
    if not (job_id and secret):
        return ""
    digest = hmac.digest(secret.encode(), f"scrip hook {job_id}".encode(), "sha256")
    return base64.b32encode(digest[:TOKEN_BYTES]).decode().lower()
