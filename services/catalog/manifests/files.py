"""Manifests in files: YAML read as JSON would be, every mistake of every file in one error, each with its line."""

from collections.abc import Callable, Collection, Iterable, Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from services.catalog.manifests import rules, shapes
from services.catalog.manifests.lines import Lines
from services.catalog.manifests.loader import Loader, why
from services.catalog.manifests.manifest import Manifest, ManifestError, Problem
from services.catalog.manifests.price import PricePart

SUFFIX = ".yaml"
BYTES_MAX = 256 * 1024
PROBLEMS_MAX = 200

Model = TypeVar("Model", bound=BaseModel)


def shipped() -> list[Manifest]:
    """The manifests that come with the product, in the order of their slugs."""
    return load(resources.files("services.catalog") / "tools")


def load(folder: Traversable) -> list[Manifest]:
    """The manifests in a folder; raises ManifestError with every mistake of every file."""
    files = [file for file in folder.iterdir() if file.name.endswith(SUFFIX)]
    files.sort(key=lambda file: file.name.removesuffix(SUFFIX))
    return load_files([(file, file.name) for file in files])


def load_files(files: Iterable[tuple[Traversable | Path, str]], named: bool = True) -> list[Manifest]:
    """The manifests in files, each with the name it is told by; raises ManifestError with every mistake of all.

    `named`: each file must have its slug's name.
    """
    manifests: list[Manifest] = []
    found: list[Problem] = []
    for file, shown in files:
        try:
            manifest = parse(file.read_bytes())
        except OSError as error:
            found.append(Problem("", f"cannot be read: {error.strerror}", file=shown))
        except ManifestError as error:
            found += [problem._replace(file=shown) for problem in error.problems]
        else:
            if named and file.name != manifest.slug + SUFFIX:
                found.append(Problem("slug", f"the file must be named {manifest.slug}{SUFFIX}", 1, shown))
            manifests.append(manifest)
    if found:
        raise ManifestError(found)
    return manifests


def parse(text: str | bytes, categories: Collection[str] | None = None) -> Manifest:
    """The manifest in a YAML text; raises ManifestError with every mistake, its line and its path.

    `categories` are those there are; None: any.
    """

    def check(manifest: Manifest) -> Iterator[tuple[str, str]]:
        yield from rules.problems(manifest)
        if categories is not None and manifest.category not in categories:
            yield "category", f"there is no category {manifest.category}; there are {', '.join(categories)}"

    return _read(text, Manifest, check)


def parse_price(text: str | bytes) -> PricePart:
    """A price by itself, as a manifest has it; raises ManifestError."""
    return _read(text, PricePart, lambda _price: ())


def _read(text: str | bytes, model: type[Model], check: Callable[[Model], Iterable[tuple[str, str]]]) -> Model:
    if len(text) > BYTES_MAX:
        raise ManifestError([Problem("", f"has {len(text)} bytes, at most {BYTES_MAX} are taken")])
    root, data = _load(text)
    try:
        if found := list(_not_json(data, "")):
            raise ManifestError(_placed(found, root))
        made = model.model_validate(data)
        found = list(check(made))
    except ValidationError as error:
        raise ManifestError(_placed(list(shapes.problems(data, error)), root)) from error
    except RecursionError as error:
        raise _too_deep() from error
    if found:
        raise ManifestError(_placed(found, root))
    return made


def _load(text: str | bytes) -> tuple[yaml.Node | None, Any]:
    """The tree of a YAML text, and what it says."""
    decoded = text if isinstance(text, str) else _decoded(text)
    try:
        loader = Loader(decoded)
        root = loader.get_single_node()
        return root, None if root is None else loader.construct_document(root)
    except (yaml.YAMLError, ValueError) as error:
        what, line = why(error, decoded)
        raise ManifestError([Problem("", what, line)]) from error
    except RecursionError as error:
        raise _too_deep() from error


def _decoded(text: bytes) -> str:
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ManifestError([Problem("", "is not UTF-8", text.count(b"\n", 0, error.start) + 1)]) from error


def _too_deep() -> ManifestError:
    return ManifestError([Problem("", "is nested too deeply")])


def _placed(found: list[tuple[str, str]], root: yaml.Node | None) -> list[Problem]:
    """With their lines, in their order; of very many the first."""
    lines = Lines(root)
    told = [Problem(path, what, lines.of(path)) for path, what in found[:PROBLEMS_MAX]]
    told.sort(key=lambda problem: problem.line)
    left_off = len(found) - len(told)
    return [*told, Problem("", f"and {left_off} more mistakes")] if left_off else told


def _not_json(value: object, path: str) -> Iterator[tuple[str, str]]:
    match value:
        case dict():
            for name, member in value.items():
                yield from _not_json(name, path)
                yield from _not_json(member, f"{path}.{name}" if path else name)
        case list():
            for index, member in enumerate(value):
                yield from _not_json(member, f"{path}.{index}")
        case str() if not _is_unicode(value):
            yield path, "is not Unicode: a surrogate stands alone"
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


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
