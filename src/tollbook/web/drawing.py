"""Small drawings as numbers for SVG: the templates write the elements, with attributes alone and no style."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

WIDTH, HEIGHT = 100, 28
_TOP = 2


class Bar(NamedTuple):
    """A bar of a share: how much is filled, in per cent of its width, and whether it runs over."""

    filled: str
    over: bool


def spark_points(values: Sequence[int]) -> str:
    """The points of a line through values, in a box of 100 by 28.

    >>> spark_points([0, 5, 10])
    '0.0,27.0 50.0,14.5 100.0,2.0'
    """
    if not values:
        return ""
    most = max(*values, 1) if len(values) > 1 else max(values[0], 1)
    step = WIDTH / max(len(values) - 1, 1)
    drawn = HEIGHT - 1 - _TOP
    return " ".join(
        f"{number * step:.1f},{HEIGHT - 1 - max(value, 0) / most * drawn:.1f}" for number, value in enumerate(values)
    )


def spark_area(values: Sequence[int]) -> str:
    """The same line as an area down to the ground."""
    return f"0,{HEIGHT} {spark_points(values)} {WIDTH},{HEIGHT}" if len(values) > 1 else ""


def share_bar(part: int, whole: int) -> Bar:
    """A bar for a share.

    >>> share_bar(1, 3), share_bar(5, 4)
    (Bar(filled='33.3%', over=False), Bar(filled='100.0%', over=True))
    """
    permille = part * 1000 // whole if whole > 0 else (1000 if part > 0 else 0)
    return Bar(f"{min(max(permille, 0), 1000) / 10:.1f}%", permille > 1000)


GLOBALS: dict[str, Callable[..., object]] = {
    "spark_points": spark_points,
    "spark_area": spark_area,
    "share_bar": share_bar,
}
