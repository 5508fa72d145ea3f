"""The versions of a tool, with the prices of their time."""

import pytest

from services.catalog import history
from tests.catalog.conftest import Catalog
from tests.catalog.samples import FILE_TOOL, manifest

Found = list[tuple[int, list[int]]]


async def versions(catalog: Catalog, before: int = 1_000, limit: int = 100) -> Found:
    """Each version with the numbers of its prices."""
    found = await history.read_versions(catalog.pool, "count-words", before, limit)
    return [(one.version, [price.row.price_version for price in one.prices]) for one in found]


@pytest.fixture
async def grown(catalog: Catalog) -> Catalog:
    """Five versions of a tool, and another tool beside it."""
    await catalog.ship(manifest(), manifest(FILE_TOOL))
    await catalog.set_price("2", unit="character")
    await catalog.set_price("3", unit="character")
    for name in ("A", "B"):
        await catalog.ship(manifest(name=name))
    await catalog.set_price("4", unit="character")
    await catalog.ship(manifest(name="C", price__base="0.1"))
    await catalog.ship(manifest(name="D", price__unit="request", measure={"from": "call"}))
    return catalog


async def test_each_version_has_the_prices_that_were_in_force_meanwhile(grown: Catalog) -> None:
    """Newest first; the price of the version before goes on, unless another one came with the version."""
    assert await versions(grown) == [(5, [5]), (4, [4]), (3, [4, 3]), (2, [3]), (1, [3, 2, 1])]


async def test_pages_go_on_below_a_version(grown: Catalog) -> None:
    """Each version once."""
    assert [version for version, _ in await versions(grown, 6, 2)] == [5, 4]
    assert [version for version, _ in await versions(grown, 4, 2)] == [3, 2]
    assert [version for version, _ in await versions(grown, 2, 2)] == [1]


async def test_many_prices_of_a_version_are_told_in_part(catalog: Catalog) -> None:
    """The last fifty."""
    await catalog.ship(manifest())
    for number in range(1, 60):
        await catalog.set_price(str(number), unit="character")
    ((_, found),) = await versions(catalog)
    assert found == list(range(60, 10, -1))
