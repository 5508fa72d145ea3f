"""What the parts of a manifest must say of each other, beyond each part's own shape."""

import hashlib
from collections.abc import Iterator, Mapping
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
    OneMeasure,
    measures_of,
)
from services.catalog.manifests.price import PricePart
from services.catalog.manifests.request_rules import Problem
from services.catalog.schemas import Schema, SchemaError
from services.runtime.tariff import SOLE

_NUMBERS = ("integer", "number")
# Of the input, by name; None where its schema is none.
Properties = Mapping[str, Any] | None


def problems(manifest: Manifest) -> Iterator[Problem]:
    """Every mistake, as path and text; of a schema that is none, nothing else is told."""
    compiled: dict[str, Schema] = {}
    for name in ("input_schema", "output_schema"):
        try:
            compiled[name] = Schema(getattr(manifest, name))
        except SchemaError as error:
            yield name + error.at.replace("/", "."), error.what
    properties = None
    if schema := compiled.get("input_schema"):
        properties = manifest.input_schema.get("properties", {})
        yield from _input(manifest)
        yield from _examples(manifest, schema)
    yield from _units(manifest, properties)
    if manifest.price.cached != "0" and manifest.cache is None:
        yield "price.cached", "needs cache: only then is an output given again"
    for number, variant in enumerate(manifest.price.variants):
        yield from http_rules.names(f"price.variants.{number}.when", variant.when, http_rules.ASKING, properties)
    if isinstance(manifest.run, HttpRun):
        output_schema = manifest.output_schema if "output_schema" in compiled else None
        yield from http_rules.problems(manifest, manifest.run, properties, output_schema)


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


def _units(manifest: Manifest, properties: Properties) -> Iterator[Problem]:
    price, limits, measures = manifest.price, manifest.limits, measures_of(manifest.measure)
    if not measures:
        if price.units:
            yield "measure", f"must say how units ({', '.join(sorted(price.units))}) are measured"
        elif any(part.per_unit != "0" or part.rates for part in (price, *price.variants)):
            yield "price.per_unit", "needs price.unit and measure"
    elif SOLE not in measures:
        yield from _rates(price, frozenset(measures))
    elif not price.unit:
        yield "price.unit", "must name what is measured"
    else:
        yield from _rates(price, frozenset())
    for unit, measure in measures.items():
        where = f"measure.units.{unit}" if unit else "measure"
        yield from _measure(manifest, properties, measure, unit or price.unit, where)
    units_max = limits.units or limits.input_bytes
    for tariff in price.price().tariffs:
        if tariff.amount({rate.unit: units_max for rate in tariff.rates}) > pricing.MICROS_MAX:
            yield "price", f"a call of {units_max} units would cost more than any account can hold"


def _rates(price: PricePart, units: frozenset[str]) -> Iterator[Problem]:
    """Each way to charge must have a rate for what is measured apart, and for nothing else."""
    if units and price.unit:
        yield "price.unit", "must not be there where rates say what each kind of units costs"
    for where, part in (("price", price), *((f"price.variants.{n}", one) for n, one in enumerate(price.variants))):
        if frozenset(part.rates) != units:
            wanted = f"must have {', '.join(sorted(units))}" if units else "need measure.from: each"
            yield f"{where}.rates", f"{wanted}, which is what is measured" if units else wanted


def _measure(
    manifest: Manifest, properties: Properties, measure: OneMeasure, unit: str, where: str
) -> Iterator[Problem]:
    """What is measured must be there, and counted in what is charged."""
    match measure:
        case InputCharacters():
            yield from _pointer(properties, measure.pointer, ("string", "array"), f"{where}.pointer")
            yield from _unit(unit, "character")
        case InputItems():
            yield from _pointer(properties, measure.pointer, ("array",), f"{where}.pointer")
        case InputNumber():
            yield from _pointer(properties, measure.pointer, _NUMBERS, f"{where}.pointer")
            yield from _pointer(properties, measure.times, _NUMBERS, f"{where}.times")
        case InputMegabytes():
            yield from _unit(unit, "megabyte")
        case FromOutput() | FromResponse():
            if isinstance(measure, FromResponse) != isinstance(manifest.run, HttpRun):
                yield f"{where}.from", "must be response where a provider is called, and output where a handler runs"
            if isinstance(measure, FromResponse):
                yield from _pointer(properties, measure.at_most, _NUMBERS, f"{where}.at_most")
                yield from _pointer(properties, measure.times, _NUMBERS, f"{where}.times")
            if manifest.limits.units == 0:
                yield "limits.units", "must bound what is known only afterwards: it is what a quote reserves at most"


def _unit(unit: str, measured: str) -> Iterator[Problem]:
    if unit not in ("", measured):
        yield "price.unit", f"must be {measured}, which is what is measured"


def _pointer(properties: Properties, pointer: str, types: tuple[str, ...], where: str) -> Iterator[Problem]:
    """A pointer that is given must name a member of the input with such a type."""
    name = pointer.removeprefix("/")
    if not name or properties is None:
        return
    member = properties.get(name)
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
