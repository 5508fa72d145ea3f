"""The environment of each service: the caller's without anything of ours, plus exactly its settings, of which the
caller gives some.

A service refuses a `SCRIP_*` it does not know, so none may leak from the shell or from one to another;
`PG*` would change what a DSN means.
"""

from collections.abc import Mapping

from services.cli.local.addresses import Addresses
from services.cli.local.credentials import Credentials, SecretFiles
from services.cli.local.ports import HOST
from services.cli.local.services import SERVICES, Service

NOT_INHERITED = ("SCRIP_", "PG")


def service_environment(
    service: Service,
    *,
    inherited: Mapping[str, str],
    addresses: Addresses,
    credentials: Credentials,
    files: SecretFiles,
    dsn: str,
    nats_url: str,
) -> dict[str, str]:
    """All variables of one service's process."""
    own = {
        "SCRIP_DSN": dsn,
        "SCRIP_NATS_URL": nats_url,
        "SCRIP_GRPC_LISTEN": addresses.grpc_address(service.name),
        "SCRIP_OPS_LISTEN": addresses.ops_address(service.name),
        "SCRIP_SERVICE_TOKENS_FILE": str(files.service_tokens),
        "SCRIP_LOG_LEVEL": "info",
        "SCRIP_LOG_FORMAT": "console",
    }
    for callee in service.calls:
        own[f"SCRIP_{SERVICES[callee].name.upper()}_ADDRESS"] = addresses.grpc_address(callee)
    if service.calls:
        own["SCRIP_SERVICE_TOKEN"] = credentials.service_tokens[service.name]
    if service.name == "gateway":
        own["SCRIP_HTTP_LISTEN"] = f"{HOST}:{addresses.http}"
    if service.name == "catalog":
        own["SCRIP_QUOTE_KEYS_FILE"] = str(files.quote_keys)
    if service.name == "executor":
        own["SCRIP_SECRETS_DIR"] = str(files.provider_secrets)
    own |= {name: value for name, value in inherited.items() if name.startswith(service.settings)}
    kept = {name: value for name, value in inherited.items() if not name.startswith(NOT_INHERITED)}
    return kept | own
