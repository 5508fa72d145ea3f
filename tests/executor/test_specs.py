"""What keeps a tool from running here."""

import json
from pathlib import Path

import pytest
from scrip.catalog.v1 import catalog_pb2

from services.executor.providers.secrets import Secrets
from services.executor.rules.jobs import Retry
from services.executor.running import specs

RUN = {"kind": "python", "handler": "echo", "retry": "safe", "packages": ["json"]}
HTTP: dict[str, object] = {"kind": "http", "request": {"url": "https://api.example.com/"}, "response": {"output": {}}}


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({}, catalog_pb2.UNAVAILABLE_REASON_UNSPECIFIED),
        ({"kind": "http"}, catalog_pb2.UNAVAILABLE_REASON_NO_EXECUTOR),
        ({"handler": "no_such_handler"}, catalog_pb2.UNAVAILABLE_REASON_NO_EXECUTOR),
        ({"handler": "errors.ToolError"}, catalog_pb2.UNAVAILABLE_REASON_NO_EXECUTOR),
        ({"handler": "../worker"}, catalog_pb2.UNAVAILABLE_REASON_NO_EXECUTOR),
        ({"packages": ["json", "no_such_package"]}, catalog_pb2.UNAVAILABLE_REASON_MISSING_PACKAGE),
        ({"packages": ["not-a-module"]}, catalog_pb2.UNAVAILABLE_REASON_MISSING_PACKAGE),
        ({"programs": ["sh"]}, catalog_pb2.UNAVAILABLE_REASON_UNSPECIFIED),
        ({"programs": ["sh", "no-such-program"]}, catalog_pb2.UNAVAILABLE_REASON_MISSING_PACKAGE),
        (HTTP, catalog_pb2.UNAVAILABLE_REASON_UNSPECIFIED),
        (HTTP | {"auth": {"place": "bearer", "secret": "openai"}}, catalog_pb2.UNAVAILABLE_REASON_UNSPECIFIED),
        (HTTP | {"auth": {"place": "bearer", "secret": "deepl"}}, catalog_pb2.UNAVAILABLE_REASON_UNSPECIFIED),
        (HTTP | {"auth": {"place": "bearer", "secret": "cohere"}}, catalog_pb2.UNAVAILABLE_REASON_MISSING_SECRET),
        (HTTP | {"response": {"output": {}, "from_the_future": 1}}, catalog_pb2.UNAVAILABLE_REASON_NO_EXECUTOR),
    ],
)
def test_an_obstacle_is_named(tmp_path: Path, members: dict[str, object], reason: int) -> None:
    """Handler before packages and programs; of a provider, its secret, in a file or in the environment."""
    (tmp_path / "openai").write_text("secret")
    secrets = Secrets(tmp_path, {"DEEPL": "another"})
    assert specs.obstacle(specs.parse(json.dumps(RUN | members).encode()), secrets) == reason


def test_a_tool_that_does_not_say_is_not_run_twice() -> None:
    """Anything but `retry: safe` is unsafe."""
    assert specs.parse(b'{"retry": "safe"}').retry is Retry.SAFE
    assert all(specs.parse(run).retry is Retry.UNSAFE for run in (b"{}", b'{"retry": "maybe"}', b""))


def test_units_are_measured_in_the_output_only_where_the_tool_says_so() -> None:
    """Measured from the input, the quote's units are exact."""
    assert specs.parse(b'{"measure": {"from": "output", "pointer": "/seconds"}}').pointers == {"": "/seconds"}
    assert specs.parse(b'{"measure": {"from": "input_characters", "pointer": "/text"}}').pointers == {}
