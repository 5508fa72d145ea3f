"""YAML limited to what JSON can say: no dates, only true and false are booleans, only JSON's numbers are numbers, no
member twice, no aliases, no tags."""

import re
from typing import Any

import yaml

DEPTH_MAX = 100
DIGITS_MAX = 1_000
_TAG = "tag:yaml.org,2002:"
# 010, 0x0A, 1_0 and 1:30 are numbers in YAML 1.1, and other ones than they look like.
_WHOLE = re.compile(r"-?(0|[1-9][0-9]*)$")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$")


class Loader(yaml.SafeLoader):
    """Reads such YAML."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """The next node; an alias, by which few lines become billions, is none."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        mark: Any = event.start_mark
        if isinstance(event, yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "an alias is not of JSON", mark)
        if event.tag is not None:
            raise yaml.composer.ComposerError(None, None, f"the tag {event.tag} is not of JSON", mark)
        if self._depth == DEPTH_MAX:
            raise yaml.composer.ComposerError(None, None, "is nested too deeply", mark)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_integer(self, node: yaml.ScalarNode) -> int:
        """A whole number of so many digits as can be read in no time."""
        if len(node.value) > DIGITS_MAX:
            raise yaml.constructor.ConstructorError(None, None, "has too many digits", node.start_mark)
        return int(node.value)

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
    tag = resolver[0].removeprefix(_TAG)
    return tag not in ("timestamp", "merge", "value", "int", "float") and not (tag == "bool" and first not in "tTfF")


Loader.yaml_implicit_resolvers = {
    first: [resolver for resolver in resolvers if _json_only(resolver, first)]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Loader.add_implicit_resolver(f"{_TAG}int", _WHOLE, [*"-0123456789"])
Loader.add_implicit_resolver(f"{_TAG}float", _NUMBER, [*"-0123456789"])
Loader.add_constructor(f"{_TAG}int", Loader.construct_integer)


def why(error: Exception, text: str) -> tuple[str, int]:
    """What is wrong with a text that cannot be read, and its line; 0 where that is not known."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        said = ", ".join(part for part in (error.context, error.problem) if part)
        return said, mark.line + 1 if mark else 0
    if isinstance(error, yaml.reader.ReaderError):
        return f"character {error.character:#x} is not taken", text.count("\n", 0, error.position) + 1
    return str(error).replace("\n", " "), 0
