"""What `scrip tools try` says: the request of a trial and its price, or its answer."""

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
from pydantic import TypeAdapter, ValidationError

from services.cli.output import Output
from services.cli.settings import read_settings, value_of
from services.cli.trial import Trial, manifest_of, refused
from services.executor.providers.files import File
from services.executor.providers.requests import Request
from services.executor.providers.secrets import Secrets
from services.executor.rules.answers import Answer, ToolAnswer
from services.executor.settings import Bases

SECRET_PREFIX = "SCRIP_SECRET_"  # noqa: S105 (a prefix of names)
BASES = "SCRIP_PROVIDER_BASES"
SHOWN_CHARACTERS = 400


def tell(
    output: Output, tool: str, given: dict[str, Any] | None, files: dict[str, Any], live: bool, secrets_dir: Path | None
) -> None:
    """Tries a tool with an input, its first example where none is given; raises Refused."""
    manifest = manifest_of(tool)
    trial = Trial(manifest, (dict(manifest.examples[0]) if given is None else given) | files)
    if live:
        _tell_answer(output, trial, asyncio.run(trial.answer(_secrets(secrets_dir), _bases())))
    else:
        _tell_request(output, trial)


def _secrets(folder: Path | None) -> Secrets:
    inherited = read_settings().inherited
    named = {name: value for name, value in inherited.items() if name.startswith(SECRET_PREFIX)}
    return Secrets(folder, {name.removeprefix(SECRET_PREFIX): value for name, value in named.items()})


def _bases() -> dict[str, str]:
    """Where providers are called instead, as an executor reads it."""
    value = value_of(read_settings().inherited, BASES) or ""
    try:
        return TypeAdapter(Bases).validate_python(value)
    except ValidationError as error:
        said = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise click.UsageError(f"{BASES}: {said}") from None


def _tell_request(output: Output, trial: Trial) -> None:
    cost = _cost(*trial.price())
    if trial.spec.http is None:
        output.facts({"Handler": trial.spec.handler, "Cost": cost})
        output.line("--live runs it here.")
        return
    request = trial.request()
    if output.as_json:
        told = {"method": request.method, "url": request.target, "headers": dict(request.headers), "cost": cost}
        output.json_object(told | _body(request))
        return
    output.line(f"{request.method} {request.target}")
    for name, value in request.headers.items():
        output.line(f"{name}: {value}")
    output.line("")
    for value in _body(request).values():
        output.line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2))
    output.note(f"Cost: {cost}. Nothing was sent; --live sends it.")


def _body(request: Request) -> dict[str, Any]:
    if request.json is not None:
        return {"json": _short(request.json)}
    if request.parts is not None:
        parts = [
            f"{name}: <{value['media_type']}, {value['size']} bytes>" if isinstance(value, File) else f"{name}: {value}"
            for name, value in request.parts
        ]
        return {"multipart": "\n".join(parts)}
    if not request.content:
        return {}
    text = request.content[:SHOWN_CHARACTERS].decode(errors="replace")
    return {"body": text if text.isprintable() else f"<{len(request.content)} bytes>"}


def _short(value: Any) -> Any:
    match value:
        case str() if len(value) > SHOWN_CHARACTERS:
            return f"{value[:60]}… ({len(value)} characters)"
        case dict():
            return {name: _short(member) for name, member in value.items()}
        case list():
            return [_short(item) for item in value]
        case _:
            return value


def _tell_answer(output: Output, trial: Trial, answer: ToolAnswer) -> None:
    if answer.answer is not Answer.OUTPUT:
        detail = f"{answer.message}" + (f" ({answer.detail})" if answer.detail else "")
        raise refused(answer.reason or answer.answer.upper(), detail)
    made = json.loads(answer.output_json)
    for file in answer.output_files:
        output.note(f"{file.pointer} is a file: {file.media_type}, {len(file.data):,} bytes.")
    if output.as_json:
        output.json_object({"output": made, "units": trial.tariff.named(answer.units or {})})
    else:
        output.line(json.dumps(_short(made), ensure_ascii=False, indent=2))
    output.note(f"It would have cost {_cost(*trial.price(answer.units))}.")


def _cost(micros: int, exact: bool) -> str:
    return f"{'' if exact else 'at most '}{Decimal(micros).scaleb(-6).normalize():f} credits"
