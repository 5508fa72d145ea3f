"""Where in a YAML text the parts of what it says stand."""

from collections.abc import Iterator

import yaml


class Lines:
    """The lines of a text's parts."""

    def __init__(self, root: yaml.Node | None) -> None:
        self._lines = {"": root.start_mark.line + 1 if root else 1}
        self._lines |= _parts(root, "")

    def of(self, path: str) -> int:
        """The line, from 1, of what a path such as `examples.0/text` leads to, or of its last part that is there."""
        path = _plain(path)
        while path not in self._lines:
            path = path.rpartition(".")[0]
        return self._lines[path]


def _parts(node: yaml.Node | None, path: str) -> Iterator[tuple[str, int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _part(key, value, f"{path}.{_plain(key.value)}" if path else _plain(key.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _part(item, item, f"{path}.{index}" if path else str(index))


def _part(place: yaml.Node, node: yaml.Node, path: str) -> Iterator[tuple[str, int]]:
    yield path, place.start_mark.line + 1
    yield from _parts(node, path)


def _plain(path: str) -> str:
    """Steps of a path are divided by dots, those within an example's value by slashes."""
    return path.replace("/", ".")
