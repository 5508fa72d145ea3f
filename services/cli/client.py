"""Calls to the gateway: where it is, which key to use, and what its answers mean for the exit status."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import click
import httpx

from services.cli.errors import Refused, Unreachable
from services.cli.local.runfile import RUN_FILE
from services.cli.settings import CliSettings
from services.executor.providers.streams import EventReader

Role = Literal["user", "admin"]

CALL_SECONDS = 30.0
PAGE_SIZE = 200
PAGES_MAX = 1_000
LOOPBACK = ("127.0.0.1", "localhost", "::1")
GATEWAY_TROUBLE = (httpx.codes.BAD_GATEWAY, httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.GATEWAY_TIMEOUT)


@dataclass(frozen=True)
class Target:
    """A gateway and the keys for it."""

    url: str
    keys: dict[Role, str]


def find_target(settings: CliSettings, data_dir: Path | None) -> Target:
    """The gateway to talk to: a data folder named on the command line, else the environment, else `.scrip`.

    Raises Unreachable if nothing runs there.
    """
    if data_dir is None and (settings.url or settings.key):
        if not settings.url or not settings.key:
            missing = "SCRIP_KEY" if settings.url else "SCRIP_URL"
            raise click.UsageError(f"{missing} is not set; set both SCRIP_URL and SCRIP_KEY, or none of them.")
        return Target(settings.url.rstrip("/"), {"user": settings.key, "admin": settings.key})
    path = (data_dir or Path(".scrip")) / RUN_FILE
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
        return Target(run["http_url"], {"user": run["demo_key"], "admin": run["admin_key"]})
    except FileNotFoundError:
        raise Unreachable(
            f"No Scrip runs here: there is no {path}.",
            "Start one with `scrip run`, or set SCRIP_URL and SCRIP_KEY.",
        ) from None
    except (OSError, ValueError, KeyError) as error:
        raise Unreachable(f"{path} cannot be used: {error!r}.") from None


class Api:
    """A gateway, called with one of the keys."""

    def __init__(self, target: Target) -> None:
        self._target = target
        # A proxy of the environment has no business between two programs of one machine.
        local = urlsplit(target.url).hostname in LOOPBACK
        self._client = httpx.Client(base_url=target.url, timeout=CALL_SECONDS, trust_env=not local)

    def close(self) -> None:
        """Give the connection back."""
        self._client.close()

    def get(self, path: str, role: Role = "user", **query: str | int) -> dict[str, Any]:
        """The JSON object at a path."""
        return self._call("GET", path, role, params=query).json_object

    def post(
        self,
        path: str,
        body: dict[str, Any],
        role: Role = "user",
        *,
        headers: dict[str, str] | None = None,
        timeout: float = CALL_SECONDS,
    ) -> "Answer":
        """The answer to a POST of a JSON object."""
        return self._call("POST", path, role, json=body, headers=headers or {}, timeout=timeout)

    def send(
        self, method: str, path: str, role: Role, *, headers: dict[str, str] | None = None, **content: Any
    ) -> "Answer":
        """The answer to any other request; `content` is httpx's: json, content, params."""
        return self._call(method, path, role, headers=headers or {}, **content)

    @contextlib.contextmanager
    def content(self, path: str, role: Role = "user") -> Iterator[httpx.Response]:
        """The answer with what is at a path, to be read piece by piece."""
        headers = {"Authorization": f"Bearer {self._target.keys[role]}"}
        with self._reaching(), self._client.stream("GET", path, headers=headers) as response:
            if not response.is_success:
                response.read()
                read_answer(response)
            yield response

    def events(self, path: str, body: dict[str, Any], headers: dict[str, str]) -> Iterator[dict[str, Any]]:
        """The events of a POST that is answered by a stream, as they come; each has its name as `event`. Where the
        connection is lost they just end."""
        reader = EventReader("sse")
        key = {"Authorization": f"Bearer {self._target.keys['user']}", "Accept": "text/event-stream"}
        with self._reaching(), self._client.stream("POST", path, json=body, headers=key | headers) as response:
            if response.headers.get("content-type", "").partition(";")[0] != "text/event-stream":
                response.read()
                read_answer(response)
            with contextlib.suppress(httpx.TransportError):
                for piece in response.iter_bytes():
                    yield from reader.feed(piece)

    def pages(
        self, path: str, plural: str, role: Role = "user", filters: Mapping[str, str] | None = None
    ) -> list[dict[str, Any]]:
        """All items of a list, page by page."""
        items: list[dict[str, Any]] = []
        query: dict[str, str | int] = {**(filters or {}), "page_size": PAGE_SIZE}
        for _ in range(PAGES_MAX):
            page = self.get(path, role, **query)
            items += page.get(plural, [])
            if not page.get("next_page_token"):
                break
            query["page_token"] = page["next_page_token"]
        return items

    def some(self, path: str, plural: str, limit: int, role: Role = "user", **query: str) -> dict[str, Any]:
        """The first page of a list, with up to `limit` items in it from as many pages as that takes."""
        items: list[dict[str, Any]] = []
        while True:
            page = self.get(path, role, **query, page_size=min(limit - len(items), PAGE_SIZE))
            items += page.get(plural, [])
            token = page.get("next_page_token", "")
            if not token or len(items) >= limit:
                return page | {plural: items, "next_page_token": token}
            query["page_token"] = token

    def _call(self, method: str, path: str, role: Role, **arguments: Any) -> "Answer":
        headers = {"Authorization": f"Bearer {self._target.keys[role]}"} | arguments.pop("headers", {})
        with self._reaching():
            response = self._client.request(method, path, headers=headers, **arguments)
        return read_answer(response)

    @contextlib.contextmanager
    def _reaching(self) -> Iterator[None]:
        """Says what it means when the gateway is not there."""
        try:
            yield
        except httpx.TimeoutException:
            raise Unreachable(
                f"{self._target.url} did not answer in time.", "Try again; an --idempotency-key makes that safe."
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unreachable(
                f"{self._target.url} cannot be reached: {error}.", "Is it running? `scrip run` starts one here."
            ) from None


@dataclass(frozen=True)
class Answer:
    """A good answer: its status and its JSON object."""

    status: int
    json_object: dict[str, Any]


def read_answer(response: httpx.Response) -> Answer:
    """The answer, or what it means that there is none: Refused, Unreachable."""
    if response.status_code == httpx.codes.NO_CONTENT:
        return Answer(response.status_code, {})
    try:
        body = response.json()
    except ValueError:
        body = None
    if response.is_success and isinstance(body, dict):
        return Answer(response.status_code, body)
    if not isinstance(body, dict) or "reason" not in body:
        said = f"{response.status_code} {response.reason_phrase}"
        if response.status_code in GATEWAY_TROUBLE:
            raise Unreachable(f"Something before the gateway answers {said}.", "Try again later.")
        if response.is_success or response.is_redirect:
            raise Unreachable(f"{response.url.host} answers, but not as Scrip does ({said}).", "Check SCRIP_URL.")
        detail = {"title": response.reason_phrase, "status": response.status_code, "reason": "UNKNOWN"}
        raise Refused((body or {}) | detail | {"detail": f"The gateway answers {said}."})
    if body["reason"] == "UPSTREAM_UNAVAILABLE":
        raise Unreachable(str(body.get("detail") or "A part of Scrip is down."), "Try again in a moment.")
    raise Refused(body)
