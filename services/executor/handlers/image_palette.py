"""The main colours of a picture: median cut into many, of which the most alike are joined until few are left."""

from itertools import combinations
from typing import TYPE_CHECKING, Any

from services.executor.material import pictures
from services.executor.material.errors import ToolError

if TYPE_CHECKING:
    from PIL.Image import Image

# More pixels than this a side tell nothing more about colours.
SIDE_MAX = 400
OPAQUE_MIN = 128
CUTS = 32
SHARE_PLACES = 4

Color = tuple[int, int, int]


def run(input: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    """At most `colors` colours of `image` with their shares, the largest first; transparent pixels do not count."""
    colors = _cut(_opaque_pixels(pictures.plain(pictures.read(files["image"]))))
    total = sum(count for count, _ in colors)
    while len(colors) > input.get("colors", 5):
        _join_most_alike(colors)
    return {
        "colors": [
            {"hex": "#" + bytes(color).hex(), "share": round(count / total, SHARE_PLACES)}
            for count, color in sorted(colors, reverse=True)
        ]
    }


def _opaque_pixels(picture: "Image") -> bytes:
    """Red, green and blue of each."""
    from PIL import Image

    picture.thumbnail((SIDE_MAX, SIDE_MAX), Image.Resampling.NEAREST)
    data = picture.convert("RGBA").tobytes()
    pixels = b"".join(data[at : at + 3] for at in range(0, len(data), 4) if data[at + 3] >= OPAQUE_MIN)
    if not pixels:
        raise ToolError("IMAGE_TRANSPARENT", "every pixel of the picture is transparent")
    return pixels


def _cut(pixels: bytes) -> list[tuple[int, Color]]:
    """The pixels in at most CUTS groups: how many, and their colour."""
    from PIL import Image

    row = Image.frombytes("RGB", (len(pixels) // 3, 1), pixels)
    reduced = row.quantize(CUTS, Image.Quantize.MEDIANCUT)
    palette = reduced.getpalette() or []
    return [
        (count, (palette[3 * index], palette[3 * index + 1], palette[3 * index + 2]))
        for index, count in enumerate(reduced.histogram())
        if count
    ]


def _join_most_alike(colors: list[tuple[int, Color]]) -> None:
    """The two whose joining changes the picture least (Ward) become one; the larger one's colour stays."""

    def change(pair: tuple[tuple[int, Color], tuple[int, Color]]) -> float:
        (count, color), (other_count, other) = pair
        distance = sum((a - b) ** 2 for a, b in zip(color, other, strict=True))
        return count * other_count / (count + other_count) * distance

    one, other = min(combinations(colors, 2), key=change)
    colors.remove(one)
    colors.remove(other)
    colors.append((one[0] + other[0], max(one, other)[1]))
