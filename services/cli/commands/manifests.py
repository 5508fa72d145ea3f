"""`scrip tools lint`, `diff`, `apply` and `schema`: manifests in files, checked here and put in force there."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from services.cli.client import Api
from services.cli.commands.common import gateway_command, json_option
from services.cli.errors import CommandError, Refused
from services.cli.output import Output
from services.runtime import ids

if TYPE_CHECKING:
    from services.catalog.manifests.manifest import Problem

SUFFIX = ".yaml"
LINE = re.compile(r"line (?P<line>\d+): (?P<what>.*)", re.DOTALL)
# As kubectl says it.
WORDS = {"created": ("created", "green"), "changed": ("configured", "yellow"), "unchanged": ("unchanged", "dim")}
PROBLEM = {"type": "urn:scrip:problem:manifest-invalid", "title": "Manifest invalid", "reason": "MANIFEST_INVALID"}
paths_argument = click.argument(
    "paths", nargs=-1, required=True, metavar="PATH…", type=click.Path(exists=True, path_type=Path)
)


@click.command()
@paths_argument
@json_option
def lint(paths: tuple[Path, ...], as_json: bool) -> None:
    """Check manifests, files or folders of them, and tell every mistake. Needs no server.

    \b
    Examples:
      scrip tools lint services/catalog/tools
      scrip tools lint my-tool.yaml
    """
    output = Output(as_json=as_json)
    files = _files(paths)
    problems = _problems(files, named=True)
    if as_json:
        output.json_object({"files": len(files), "problems": [_shown(problem) for problem in problems]})
    else:
        for problem in problems:
            output.line(str(problem))
        output.note(f"{_count(len(files), 'manifest')}, {_count(len(problems), 'mistake')}.")
    if problems:
        raise SystemExit(1)


@click.command()
@paths_argument
@click.option("--exit-code", is_flag=True, help="Exit with 1 where something would change.")
@gateway_command
def diff(api: Api, output: Output, paths: tuple[Path, ...], exit_code: bool) -> None:
    """Show what applying manifests would change, and change nothing (needs an admin key).

    \b
    Examples:
      scrip tools diff my-tool.yaml
      scrip tools diff services/catalog/tools --exit-code
    """
    applied = list(_applied(api, paths, dry_run=True))
    if output.as_json:
        output.json_object({"tools": applied})
    differing = [tool for tool in applied if tool["outcome"] != "unchanged"]
    for tool in () if output.as_json else differing:
        _print_outcome(output, tool)
        _print_changes(output, tool)
    if exit_code and differing:
        raise SystemExit(1)


@click.command()
@paths_argument
@click.option("--dry-run", is_flag=True, help="Change nothing, and tell what would become of each.")
@gateway_command
def apply(api: Api, output: Output, paths: tuple[Path, ...], dry_run: bool) -> None:
    """Put manifests in force: make tools, or new versions of them (needs an admin key).

    All files are checked, here and there, before the first is put in force: one with a mistake changes nothing. What is
    the same changes nothing either; the switch of a tool and a price that was set with `scrip tools price` stay as they
    are.

    \b
    Examples:
      scrip tools apply my-tool.yaml
      scrip tools apply services/catalog/tools --dry-run
    """
    applied = []
    for tool in _applied(api, paths, dry_run=dry_run):
        applied.append(tool)
        if not output.as_json:
            _print_outcome(output, tool)
    if output.as_json:
        output.json_object({"tools": applied})


@click.command()
@json_option
def schema(as_json: bool) -> None:
    """Print the JSON Schema of manifests, for editors. Needs no server.

    \b
    Example:
      scrip tools schema > manifest.schema.json
      # and as the first line of a manifest:  # yaml-language-server: $schema=manifest.schema.json
    """
    from services.catalog.manifests import schema as manifest_schema

    output = Output(as_json=as_json)
    if output.as_json:
        output.json_object(manifest_schema.definition())
    else:
        output.line(manifest_schema.text().removesuffix("\n"))


def _applied(api: Api, paths: Sequence[Path], *, dry_run: bool) -> Iterator[dict[str, Any]]:
    """What becomes of the tool of each file, one by one; raises CommandError, before anything is changed where a file
    is wrong."""
    files = _files(paths)
    _refuse(_problems(files, named=False))
    contents = [(file, file.read_bytes()) for file in files]
    tried = list(_tried(api, contents))
    yield from tried if dry_run else (_sent(api, file, content, dry_run=False) for file, content in contents)


def _tried(api: Api, contents: Sequence[tuple[Path, bytes]]) -> Iterator[dict[str, Any]]:
    """What would become of each; raises CommandError with the mistakes of all, which only the server may know."""
    problems: list[Problem] = []
    for file, content in contents:
        try:
            yield _sent(api, file, content, dry_run=True)
        except Refused as refused:
            if refused.problem.get("reason") != PROBLEM["reason"]:
                raise
            problems += _told(refused, file)
    _refuse(problems)


def _sent(api: Api, file: Path, content: bytes, *, dry_run: bool) -> dict[str, Any]:
    """What the server makes of one file; raises CommandError, which names it."""
    query = {"dry_run": "true"} if dry_run else {}
    headers = {"Content-Type": "application/yaml", "Idempotency-Key": ids.uuid7()}
    try:
        return api.send("POST", "/v1/admin/tools", "admin", headers=headers, params=query, content=content).json_object
    except Refused as refused:
        told = "" if refused.problem.get("errors") else f": {refused}"
        problem = refused.problem | {"detail": f"{file} is refused{told}", "file": str(file)}
        raise Refused(problem) from None


def _told(refused: Refused, file: Path) -> "Iterator[Problem]":
    """The mistakes in a manifest that the server refused; its messages begin with their lines."""
    from services.catalog.manifests.manifest import Problem

    for error in refused.problem.get("errors") or [{"message": refused.problem.get("detail", "")}]:
        found = LINE.fullmatch(error["message"])
        line, what = (int(found["line"]), found["what"]) if found else (0, error["message"])
        yield Problem(error.get("pointer", ""), what, line, str(file))


def _refuse(problems: "Sequence[Problem]") -> None:
    """Raises CommandError where there are mistakes."""
    if problems:
        shown = [_shown(problem) for problem in problems]
        detail = "nothing is applied, for there are mistakes:\n" + "\n".join(f"  {problem}" for problem in problems)
        raise CommandError(PROBLEM | {"detail": detail, "problems": shown})


def _files(paths: Sequence[Path]) -> list[Path]:
    """The files that are named, and the manifests of folders that are."""
    files: list[Path] = []
    for path in paths:
        found = sorted(path.glob(f"*{SUFFIX}")) if path.is_dir() else [path]
        if not found:
            raise click.UsageError(f"{path} holds no manifests: no file ends in {SUFFIX}.")
        files += found
    return files


def _problems(files: Sequence[Path], *, named: bool) -> "list[Problem]":
    # Reading manifests takes a third of a second to load, which the other commands need not wait for.
    from services.catalog.manifests import files as manifest_files
    from services.catalog.manifests.manifest import ManifestError

    try:
        manifest_files.load_files([(file, str(file)) for file in files], named=named)
    except ManifestError as error:
        return error.problems
    return []


def _shown(problem: "Problem") -> dict[str, Any]:
    return {"file": problem.file, "line": problem.line, "path": problem.path, "message": problem.what}


def _print_outcome(output: Output, tool: dict[str, Any]) -> None:
    """`echo configured  version 2, price 1`."""
    word, colour = WORDS[tool["outcome"]]
    dry_run = " (dry run)" if tool["dry_run"] else ""
    whose = ", the operator's" if tool["price_origin"] == "operator" else ""
    versions = f"  version {tool['version']}, price {tool['price_version']}{whose}"
    output.coloured((f"{tool['slug']} ", "bold"), (word, colour), (versions, "dim"), (dry_run, ""))


def _print_changes(output: Output, tool: dict[str, Any]) -> None:
    for change in tool["changes"]:
        for sign, value, colour in (("-", change["before"], "red"), ("+", change["after"], "green")):
            if value is not None:
                output.coloured((f"  {sign} {change['path']}: {value}", colour))
    if tool["changes_left_off"]:
        output.line(f"  … and {tool['changes_left_off']} more")


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
