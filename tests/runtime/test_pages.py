"""Page tokens: opaque, and good for one list only."""

import base64

import pytest

from services.runtime import pages
from services.runtime.errors import Refusal


def test_a_token_leads_back_to_its_place() -> None:
    """What is put in comes out, for the same list."""
    assert pages.place(pages.token("acme", 7, "job"), "acme", int, str) == [7, "job"]
    assert pages.place("", "acme", int) is None


@pytest.mark.parametrize(
    "token",
    [
        "nonsense!",
        "Zm9v",
        pages.token("other", 7),
        pages.token("acme", "7"),
        pages.token("acme", 7, 8),
        base64.urlsafe_b64encode(b"[" * 100_000).decode(),
    ],
    ids=["not base64", "not JSON", "another list", "another kind", "too long", "too deep"],
)
def test_other_tokens_are_refused(token: str) -> None:
    """Whatever was not given out for this list is REQUEST_INVALID naming page_token."""
    with pytest.raises(Refusal) as refused:
        pages.place(token, "acme", int)
    assert refused.value.metadata["field"] == "page_token"


@pytest.mark.parametrize(("asked", "size"), [(0, 50), (1, 1), (200, 200)])
def test_a_page_has_one_to_two_hundred(asked: int, size: int) -> None:
    """0 asks for the default of 50."""
    assert pages.size_of(asked) == size
    for wrong in (-1, 201):
        with pytest.raises(Refusal):
            pages.size_of(wrong)
