"""What these tests set for the request in hand must not reach the next test."""

from collections.abc import Iterator

import pytest

from services.runtime import identity, tracing


@pytest.fixture(autouse=True)
def _no_request_in_hand() -> Iterator[None]:
    yield
    tracing.resume("")
    identity._caller.set("")
