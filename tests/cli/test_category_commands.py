"""`scrip categories`, against a gateway that records what it is sent."""

from typing import Any

from .support import FakeGateway
from .test_commands import call, data_dir, gateway  # noqa: F401 (fixtures)

TEXT = {"slug": "text", "name": "Text", "icon": "type", "description": "Words", "sort_order": 100, "tools": 12}
LEGAL = {"slug": "legal", "name": "Legal", "icon": "", "description": "", "sort_order": 350, "tools": 0}


def test_categories_are_listed(gateway: FakeGateway, call: Any) -> None:  # noqa: F811
    """In the order of the answer, with how many tools each has."""
    gateway.answer("GET /v1/categories", 200, {"categories": [TEXT, LEGAL]})
    said = call("categories", "list").stdout
    assert said.index("text") < said.index("legal")
    assert "12" in said


def test_a_category_keeps_what_is_not_given(gateway: FakeGateway, call: Any) -> None:  # noqa: F811
    """The whole of it is sent, changed where it was asked for."""
    gateway.answer("GET /v1/categories", 200, {"categories": [TEXT]})
    gateway.answer("PUT /v1/admin/categories/text", 200, TEXT | {"outcome": "changed"})
    assert call("categories", "set", "text", "--order", "0").stdout == "category text changed\n"
    assert gateway.sent[-1].body == {"name": "Text", "icon": "type", "description": "Words", "sort_order": 0}


def test_a_new_category_needs_a_name(gateway: FakeGateway, call: Any) -> None:  # noqa: F811
    """Without one nothing is sent."""
    gateway.answer("GET /v1/categories", 200, {"categories": [TEXT]})
    gateway.answer("PUT /v1/admin/categories/legal", 201, LEGAL | {"outcome": "created"})
    refused = call("categories", "set", "legal", "--icon", "scale")
    assert (refused.exit_code, [one.method for one in gateway.sent]) == (2, ["GET"])
    assert call("categories", "set", "legal", "--name", "Legal").stdout == "category legal created\n"
    assert gateway.sent[-1].body == {"name": "Legal"}


def test_a_category_is_deleted(gateway: FakeGateway, call: Any) -> None:  # noqa: F811
    """If no tool is in it, which the server says."""
    gateway.answer("DELETE /v1/admin/categories/legal", 200, {"slug": "legal"})
    gateway.problem("DELETE /v1/admin/categories/text", 409, "CATEGORY_IN_USE")
    assert call("categories", "delete", "legal").stdout == "category legal deleted\n"
    assert call("categories", "delete", "text").exit_code == 1
