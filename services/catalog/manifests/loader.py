"""YAML limited to what JSON can say: no dates, only true and false are booleans, no member twice, no aliases."""

from typing import Any

import yaml


class Loader(yaml.SafeLoader):
    """Reads such YAML."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """The next node; an alias, by which few lines become billions, is none."""
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "an alias is not of JSON", mark)
        return super().compose_node(parent, index)

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


Loader.yaml_implicit_resolvers = {
    first: [resolver for resolver in resolvers if _json_only(resolver, first)]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def why(error: Exception, text: str) -> tuple[str, int]:
    """What is wrong with a text that cannot be read, and its line; 0 where that is not known."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        said = ", ".join(part for part in (error.context, error.problem) if part)
        return said, mark.line + 1 if mark else 0
    if isinstance(error, yaml.reader.ReaderError):
        return f"character {error.character:#x} is not taken", text.count("\n", 0, error.position) + 1
    return str(error).replace("\n", " "), 0
