"""Manifests in files: YAML read as JSON would be, every mistake of every file in one error."""

from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

import yaml
from pydantic import ValidationError

from services.catalog.manifest import Manifest, ManifestError
from services.catalog.manifest_rules import problems

SUFFIX = ".yaml"


class _Loader(yaml.SafeLoader):
    """YAML limited to what JSON can say: no dates, only true and false are booleans, no member twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping whose keys are different strings."""
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(None, None, f"{key!r} is not a text", key_node.start_mark)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key} is given twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def _json_only(resolver: tuple[str, Any], first: str) -> bool:
    tag = resolver[0].removeprefix("tag:yaml.org,2002:")
    return tag not in ("timestamp", "merge", "value") and not (tag == "bool" and first not in "tTfF")


_Loader.yaml_implicit_resolvers = {
    first: [resolver for resolver in resolvers if _json_only(resolver, first)]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def shipped() -> list[Manifest]:
    """The manifests that come with the product, in the order of their slugs."""
    return load(resources.files("services.catalog") / "tools")


def load(folder: Traversable) -> list[Manifest]:
    """The manifests in a folder; raises ManifestError with every mistake of every file."""
    manifests: list[Manifest] = []
    found: list[tuple[str, str]] = []
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if not file.name.endswith(SUFFIX):
            continue
        try:
            manifest = parse(file.read_text(encoding="utf-8"))
        except ManifestError as error:
            found += [(f"{file.name}: {where}" if where else file.name, what) for where, what in error.problems]
        else:
            if file.name != manifest.slug + SUFFIX:
                found.append((f"{file.name}: slug", f"the file must be named {manifest.slug}{SUFFIX}"))
            manifests.append(manifest)
    if found:
        raise ManifestError(found)
    return manifests


def parse(text: str) -> Manifest:
    """The manifest in a YAML text; raises ManifestError with every mistake and where it is."""
    try:
        data = yaml.load(text, _Loader)  # noqa: S506 (a SafeLoader with less)
    except (yaml.YAMLError, ValueError) as error:
        raise ManifestError([("", str(error).replace("\n", " "))]) from error
    if wrong := list(_not_json(data, "")):
        raise ManifestError(wrong)
    try:
        manifest = Manifest.model_validate(data)
    except ValidationError as error:
        raise ManifestError(
            [
                (".".join(map(str, item["loc"])), item["msg"].removeprefix("Value error, "))
                for item in error.errors(include_url=False)
            ]
        ) from error
    if wrong := list(problems(manifest)):
        raise ManifestError(wrong)
    return manifest


def _not_json(value: object, path: str) -> Iterator[tuple[str, str]]:
    match value:
        case dict():
            for name, member in value.items():
                yield from _not_json(member, f"{path}.{name}" if path else name)
        case list():
            for index, member in enumerate(value):
                yield from _not_json(member, f"{path}.{index}")
        case bool() | str() | None:
            pass
        case int() if abs(value) >= 2**53:
            yield path, "is beyond what JSON numbers hold exactly"
        case float() if value != value or abs(value) == float("inf"):  # noqa: PLR0124 (not a number)
            yield path, "is not a number of JSON"
        case int() | float():
            pass
        case _:
            yield path, f"{type(value).__name__} is not of JSON"
