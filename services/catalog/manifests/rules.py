"""What the parts of a manifest must say of each other, beyond each part's own shape."""

import hashlib
from collections.abc import Iterator
from typing import Any

from services.catalog import data_urls, pricing, schemas
from services.catalog.inputs import MEDIA_TYPE, media_type_fits
from services.catalog.manifests import http_rules
from services.catalog.manifests.http_run import HttpRun
from services.catalog.manifests.manifest import Manifest
from services.catalog.manifests.measure import (
    FromOutput,
    FromResponse,
    InputCharacters,
    InputItems,
    InputMegabytes,
    InputNumber,
)
from services.catalog.schemas import Schema, SchemaError

Problem = tuple[str, str]


def problems(manifest: Manifest) -> Iterator[Problem]:
    """Every mistake, as path and text."""
    schema = None
    for name in ("input_schema", "output_schema"):
        try:
            compiled = Schema(getattr(manifest, name))
        except SchemaError as error:
            yield name, str(error)
        else:
            schema = compiled if name == "input_schema" else schema
    yield from _input(manifest)
    yield from _units(manifest)
    if isinstance(manifest.run, HttpRun):
        yield from http_rules.problems(manifest, manifest.run)
    if schema is not None:
        yield from _examples(manifest, schema)


def _input(manifest: Manifest) -> Iterator[Problem]:
    if manifest.input_schema.get("type") != "object":
        yield "input_schema.type", "must be object"
    for path in schemas.file_formats(manifest.input_schema):
        if len(path) != 2 or path[0] != "properties":
            where = ".".join(("input_schema", *map(str, path)))
            yield where, f"{schemas.FILE_FORMAT} must be a property of the input itself"
    for name, media_type in schemas.file_properties(manifest.input_schema).items():
        where = f"input_schema.properties.{name}"
        if manifest.input_schema["properties"][name].get("type") != "string":
            yield where, f"{schemas.FILE_FORMAT} needs type: string"
        if not MEDIA_TYPE.fullmatch(media_type):
            yield f"{where}.contentMediaType", "must be a media type such as application/pdf or image/*"


def _units(manifest: Manifest) -> Iterator[Problem]:
    price, limits, measure = manifest.price.price(), manifest.limits, manifest.measure
    if measure is None:
        if price.unit:
            yield "measure", f"must say how units ({price.unit}) are measured"
        if price.per_unit_micros:
            yield "price.per_unit", "needs price.unit and measure"
        units_max = 0
    else:
        if not price.unit:
            yield "price.unit", "must name what is measured"
        units_max = limits.units or limits.input_bytes
    yield from _measure(manifest)
    if pricing.amount(price, units_max) > pricing.MICROS_MAX:
        yield "price", f"a call of {units_max} units would cost more than any account can hold"


def _measure(manifest: Manifest) -> Iterator[Problem]:
    """What is measured must be there, and counted in what is charged."""
    measure = manifest.measure
    match measure:
        case InputCharacters():
            yield from _pointer(manifest, measure.pointer, ("string", "array"))
            yield from _unit(manifest, "character")
        case InputItems():
            yield from _pointer(manifest, measure.pointer, ("array",))
        case InputNumber():
            yield from _pointer(manifest, measure.pointer, ("integer", "number"))
        case InputMegabytes():
            yield from _unit(manifest, "megabyte")
        case FromOutput() | FromResponse():
            if isinstance(measure, FromResponse) != isinstance(manifest.run, HttpRun):
                yield "measure.from", "must be response where a provider is called, and output where a handler runs"
            if isinstance(measure, FromResponse) and measure.at_most:
                yield from _pointer(manifest, measure.at_most, ("integer", "number"), "measure.at_most")
            if manifest.limits.units == 0:
                yield "limits.units", "must bound what is known only afterwards: it is what a quote reserves at most"


def _unit(manifest: Manifest, unit: str) -> Iterator[Problem]:
    if manifest.price.unit not in ("", unit):
        yield "price.unit", f"must be {unit}, which is what is measured"


def _pointer(
    manifest: Manifest, pointer: str, types: tuple[str, ...], where: str = "measure.pointer"
) -> Iterator[Problem]:
    name = pointer.removeprefix("/")
    member = manifest.input_schema.get("properties", {}).get(name)
    if not isinstance(member, dict) or member.get("type") not in types:
        yield where, f"the input has no property {name} of type {' or '.join(types)}"


def _examples(manifest: Manifest, schema: Schema) -> Iterator[Problem]:
    files = schemas.file_properties(manifest.input_schema)
    for index, example in enumerate(manifest.examples):
        value: dict[str, Any] = dict(example)
        for name, accepted in files.items():
            where = f"examples.{index}.{name}"
            if not isinstance(value.get(name), str):
                continue
            try:
                media_type, data = data_urls.decode(value[name])
            except ValueError as error:
                yield where, str(error)
                continue
            if not media_type_fits(media_type, accepted):
                yield where, f"is {media_type}, where {accepted} is taken"
            value[name] = f"sha256:{hashlib.sha256(data).hexdigest()}"
        for found in schema.violations(value):
            yield f"examples.{index}{found.field}", found.message
