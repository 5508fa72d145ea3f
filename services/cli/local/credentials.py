"""The secrets of a local run: drawn once, kept in the data folder where only this user can read them."""

import base64
import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from services.cli.local.errors import LocalError
from services.cli.local.files import write_private
from services.cli.local.services import ROLES, SERVICES
from services.runtime import ids

PASSWORD_CHARS = 32
QUOTE_KEY_BYTES = 32


@dataclass(frozen=True)
class Credentials:
    """Everything that programs of one data folder prove themselves with."""

    postgres: dict[str, str]
    """Role → password."""

    nats: str
    """The broker's password."""

    service_tokens: dict[str, str]
    """Service → the token it calls others with; only for services that call others."""

    quote_key: str
    """What quotes are signed with, base64."""

    admin_key: str
    """The first admin API key."""


def load_credentials(folder: Path) -> Credentials:
    """Read `credentials.json` in the folder; what it lacks is drawn and kept.

    A role or service that is new in this version of Scrip thus gets its secret, the others keep theirs.
    """
    path = folder / "credentials.json"
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        kept = {}
    except ValueError as error:
        raise LocalError(f"{path} is damaged ({error}); remove the data folder to start anew.") from None
    fresh = asdict(draw())
    merged = fresh | kept
    for name in ("postgres", "service_tokens"):
        merged[name] = fresh[name] | kept.get(name, {})
    if merged != kept:
        write_private(path, json.dumps(merged, indent=2) + "\n")
    return Credentials(**{name: merged[name] for name in fresh})


def draw() -> Credentials:
    """New secrets for everything."""
    callers = [service.name for service in SERVICES.values() if service.calls]
    return Credentials(
        postgres={role: ids.base62(PASSWORD_CHARS) for role in ROLES},
        nats=ids.base62(PASSWORD_CHARS),
        service_tokens={name: f"scrip_svc_{name}_{ids.base62(32)}" for name in callers},
        quote_key=base64.b64encode(ids.random_bytes(QUOTE_KEY_BYTES)).decode(),
        admin_key=f"scrip_admin_{ids.base62(8)}_{ids.base62(32)}",
    )


@dataclass(frozen=True)
class SecretFiles:
    """Files that services read; made from the credentials at every start."""

    service_tokens: Path
    """Who may call: a line `name sha256-hex` each."""

    quote_keys: Path
    """One base64 key a line; the first signs."""

    provider_secrets: Path
    """A folder for the user: one file per provider secret, named as the manifests name it."""


def write_secret_files(folder: Path, credentials: Credentials) -> SecretFiles:
    """Write them below the data folder, readable by this user only."""
    secrets = folder / "secrets"
    provider = folder / "provider-secrets"
    for made in (secrets, provider):
        made.mkdir(mode=0o700, parents=True, exist_ok=True)
    files = SecretFiles(secrets / "service-tokens", secrets / "quote-keys", provider)
    digests = {name: hashlib.sha256(token.encode()).hexdigest() for name, token in credentials.service_tokens.items()}
    write_private(files.service_tokens, "".join(f"{name} {digest}\n" for name, digest in digests.items()))
    write_private(files.quote_keys, f"{credentials.quote_key}\n")
    return files
