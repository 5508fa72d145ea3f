"""Providers' own descriptions (OpenAPI), as far as a request can be checked against them."""

import functools
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema_rs
import yaml

# Beside the project, where the descriptions are kept; the project does not need it.
SPECS = Path(__file__).parents[3] / "shared" / "specs"


class Operation:
    """One operation of a description."""

    def __init__(self, file: str, path: str, method: str) -> None:
        self._document = _load(file)
        item = self._document["paths"][path]
        operation = item[method.lower()]
        self._parameters = [
            self._resolved(one) for one in (*item.get("parameters", ()), *operation.get("parameters", ()))
        ]
        self._bodies = self._resolved(operation.get("requestBody", {})).get("content", {})

    def problems(
        self, query: Mapping[str, Any], headers: Mapping[str, str], body: Any, media_type: str
    ) -> Iterator[str]:
        """What is wrong with a request: parameters that lack or are unknown, and a body that is not as described."""
        given = {"query": query, "header": {name.lower(): value for name, value in headers.items()}}
        known = {(one["in"], one["name"].lower() if one["in"] == "header" else one["name"]) for one in self._parameters}
        for one in self._parameters:
            where, name = one["in"], one["name"].lower() if one["in"] == "header" else one["name"]
            if where in given and one.get("required") and name not in given[where]:
                yield f"{where} parameter {name} is missing"
            elif where == "query" and name in query:
                schema = _open(self._resolved(one.get("schema", {})))
                yield from self._violations(schema, _typed(query[name], self._choices(schema)))
        yield from (f"query parameter {name} is unknown" for name in query if ("query", name) not in known)
        if body is None:
            return
        found = next((one for name, one in self._bodies.items() if name.partition(";")[0] == media_type), None)
        if found is not None and media_type == "multipart/form-data":
            body = self._read(body, found.get("schema", {}))
        if found is None:
            yield f"a body of {media_type} is not described; there is {', '.join(self._bodies) or 'none'}"
            return
        schema = found.get("schema", {})
        yield from self._violations(schema, body)
        names = set(self._names(schema))
        if names and isinstance(body, dict):
            yield from (f"member {name} is unknown" for name in body if name not in names)

    def _violations(self, schema: Any, value: Any) -> Iterator[str]:
        root = (
            {**self._document, **_normal(schema)}
            if "$ref" not in schema
            else {**self._document, "$ref": schema["$ref"]}
        )
        kept = {name: value for name, value in root.items() if name not in ("paths", "openapi", "info", "tags")}
        validator = jsonschema_rs.Draft202012Validator(kept, validate_formats=False)
        for error in validator.iter_errors(value):
            yield f"/{'/'.join(map(str, error.instance_path))}: {error.message[:300]}"

    def _resolved(self, node: Any) -> Any:
        while isinstance(node, dict) and "$ref" in node:
            target: Any = self._document
            for step in node["$ref"].removeprefix("#/").split("/"):
                target = target[step.replace("~1", "/").replace("~0", "~").replace("%7B", "{").replace("%7D", "}")]
            node = target
        return node

    def _read(self, fields: Mapping[str, list[str]], schema: Any) -> dict[str, Any]:
        """A form's fields as what they say, where the schema wants no text."""
        read: dict[str, Any] = {}
        for name, values in fields.items():
            wanted = [self._resolved(one) for one in self._members(schema, name)]
            is_text = any(one.get("type") == "string" or "enum" in one for one in wanted)
            made = [value if is_text else _json(value) for value in values]
            is_list = any(one.get("type") == "array" for one in wanted) and not isinstance(made[0], list)
            read[name] = made if is_list or len(made) > 1 else made[0]
        return read

    def _members(self, schema: Any, name: str) -> Iterator[Any]:
        """Every schema that describes a member."""
        schema = self._resolved(schema)
        if name in schema.get("properties", {}):
            yield from self._choices(schema["properties"][name])
        for part in (*schema.get("allOf", ()), *schema.get("anyOf", ()), *schema.get("oneOf", ())):
            yield from self._members(part, name)

    def _choices(self, schema: Any) -> Iterator[Any]:
        schema = self._resolved(schema)
        yield schema
        for part in (*schema.get("allOf", ()), *schema.get("anyOf", ()), *schema.get("oneOf", ())):
            yield from self._choices(part)

    def _names(self, schema: Any) -> Iterator[str]:
        schema = self._resolved(schema)
        yield from schema.get("properties", {})
        for part in (*schema.get("allOf", ()), *schema.get("anyOf", ()), *schema.get("oneOf", ())):
            yield from self._names(part)


@functools.cache
def _load(file: str) -> dict[str, Any]:
    text = (SPECS / file).read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text) if file.endswith(".json") else yaml.load(text, yaml.CSafeLoader)
    document["components"] = _normal(document.get("components", {}))
    return document


def _normal(node: Any) -> Any:
    """JSON Schema 2020-12 of what OpenAPI 3.0 says in words of its own."""
    if isinstance(node, list):
        return [_normal(item) for item in node]
    if not isinstance(node, dict):
        return node
    made = {
        name: _normal(value) for name, value in node.items() if name not in ("nullable", "discriminator", "example")
    }
    if node.get("nullable") is True and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
        if "enum" in made and None not in made["enum"]:
            made["enum"] = [*made["enum"], None]
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(made.get(exclusive), bool):
            strict = made.pop(exclusive)
            if strict and bound in made:
                made[exclusive] = made.pop(bound)
    if made.get("format") == "binary":
        # A file: in a form it is no text.
        return {}
    return made


def _open(schema: Any) -> Any:
    """Branches of a parameter's schema may overlap: an enum, and any text."""
    if "oneOf" not in schema:
        return schema
    return {name: value for name, value in schema.items() if name != "oneOf"} | {"anyOf": schema["oneOf"]}


def _typed(value: str, schemas: Iterable[Mapping[str, Any]]) -> Any:
    """A parameter's text as what one of its schemas wants."""
    kinds = [kind for schema in schemas for kind in _kinds(schema)]
    for kind in kinds:
        try:
            match kind:
                case "integer":
                    return int(value)
                case "number":
                    return float(value)
                case "boolean" if value in ("true", "false"):
                    return value == "true"
                case "array":
                    return [value]
        except ValueError:
            continue
    return value


def _kinds(schema: Mapping[str, Any]) -> list[str]:
    kinds = schema.get("type", [])
    return kinds if isinstance(kinds, list) else [kinds]


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
