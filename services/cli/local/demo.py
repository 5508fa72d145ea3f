"""The demo account: made through the gateway's own admin API, once per data folder."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx

from services.cli.local.errors import LocalError
from services.cli.local.files import write_private
from services.runtime import ids

ACCOUNT = "demo"
CREDITS = "1000"
TOOL = "detect-language"
CALL_SECONDS = 30


@dataclass(frozen=True)
class DemoState:
    """What is kept in `demo.json`, since an API key is shown only once."""

    key: str = ""
    granted: bool = False


class Demo:
    """Makes the demo account, its credits and its key; every step may be repeated after a crash."""

    def __init__(self, data_dir: Path, http_url: str, admin_key: str) -> None:
        self._file = data_dir / "demo.json"
        self._url = http_url
        self._admin_key = admin_key

    async def ensure(self) -> str:
        """The demo user's API key. Raises LocalError with what the gateway said."""
        state = self._load()
        async with httpx.AsyncClient(base_url=self._url, timeout=CALL_SECONDS, trust_env=False) as client:
            opened = await self._admin(client, "/v1/admin/accounts", {"account_id": ACCOUNT})
            if opened.status_code == httpx.codes.CREATED or not state.granted:
                # The marker in our file, because the gateway remembers an Idempotency-Key for a day only.
                grant = {"credits": CREDITS, "source": "promotion"}
                await self._admin(client, f"/v1/admin/accounts/{ACCOUNT}/grants", grant, "demo-grant-1")
                state = self._save(DemoState(state.key, granted=True))
            if not state.key or not await self._works(client, state.key):
                state = self._save(DemoState(await self._new_key(client), granted=True))
        return state.key

    async def example(self, key: str) -> dict[str, Any] | None:
        """An input to try the first tool with, from its manifest; None if that tool cannot be had."""
        async with httpx.AsyncClient(base_url=self._url, timeout=CALL_SECONDS, trust_env=False) as client:
            try:
                answer = await client.get(f"/v1/tools/{TOOL}", headers=bearer(key))
                examples = answer.json().get("examples", []) if answer.is_success else []
            except (httpx.HTTPError, ValueError):
                return None
        return examples[0] if examples else None

    async def _new_key(self, client: httpx.AsyncClient) -> str:
        for idempotency_key in ("demo-key-1", f"demo-key-{ids.uuid7()}"):
            answer = await self._admin(client, f"/v1/admin/accounts/{ACCOUNT}/keys", {"name": "demo"}, idempotency_key)
            # A replay answers null: that key was shown to a run which could not keep it.
            if key := answer.json().get("key"):
                return str(key)
        raise LocalError("The gateway made no key for the demo account.")

    async def _works(self, client: httpx.AsyncClient, key: str) -> bool:
        answer = await client.get("/v1/account", headers=bearer(key))
        return answer.status_code != httpx.codes.UNAUTHORIZED

    async def _admin(
        self, client: httpx.AsyncClient, path: str, body: dict[str, str], idempotency_key: str | None = None
    ) -> httpx.Response:
        headers = bearer(self._admin_key)
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        try:
            answer = await client.post(path, json=body, headers=headers)
        except httpx.HTTPError as error:
            raise LocalError(f"The demo account could not be made: POST {path}: {error!r}.") from None
        if not answer.is_success:
            said = answer.text[:500]
            raise LocalError(f"The demo account could not be made: POST {path}: {answer.status_code} {said}")
        return answer

    def _load(self) -> DemoState:
        try:
            return DemoState(**json.loads(self._file.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return DemoState()

    def _save(self, state: DemoState) -> DemoState:
        write_private(self._file, json.dumps(asdict(state)) + "\n")
        return state


def bearer(key: str) -> dict[str, str]:
    """The header that carries an API key."""
    return {"Authorization": f"Bearer {key}"}
