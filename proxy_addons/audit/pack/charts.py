"""Pictures of a report: one SVG for the page and the print.

In: counts, labels. Out: SVG that stands by itself: no script, no style, no request to anybody.
Must never: write a text that was not escaped (Jinja does it); show by colour alone what a table
beside it does not say.

See docs/adr/0015-pictures.md for why no chart library: those for Python put scripts or styles into
each picture, and the page's policy allows neither.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jinja2 import Template

WIDTH: Final = 680
_LEFT, _HEIGHT, _TICKS = 44, 190, 8
_STEPS: Final = ("#f2f4f8", "#cfdcf0", "#9dbbe3", "#6392cf", "#3468ad", "#173f7a")


@cache
def environment() -> Environment:
    """Templates of packs: all is escaped, nothing may be missing."""
    return Environment(
        loader=PackageLoader("proxy_addons.audit.pack", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def timeline(counts: Sequence[int], labels: Sequence[str]) -> str:
    """Bars in the order of time.

    Args:
        counts: of each hour or day.
        labels: of the same.
    """
    most = max(1, *counts)
    top = _nice(most)
    step = (WIDTH - _LEFT) / len(counts)
    bars = [
        (
            round(_LEFT + n * step + step * 0.1, 2),
            round((_HEIGHT - 40) * (1 - count / top) + 10, 2),
            round(max(step * 0.8, 0.4), 2),
            round((_HEIGHT - 40) * count / top, 2),
        )
        for n, count in enumerate(counts)
        if count
    ]
    each = -(-len(labels) // _TICKS)
    ticks = [
        (round(_LEFT + (n + 0.5) * step, 2), labels[n].rsplit(" ", 1)[0])
        for n in range(0, len(labels), each)
    ]
    lines = [
        (round((_HEIGHT - 40) * (1 - part) + 10, 2), f"{top * part:g}") for part in (0, 0.5, 1)
    ]
    return _template("timeline.svg").render(
        width=WIDTH, height=_HEIGHT, left=_LEFT, bars=bars, ticks=ticks, lines=lines
    )


def _nice(most: int) -> int:
    """The end of a scale: 1, 2, 4 or 10 times a power of ten, and not below."""
    power = 1
    while True:
        for part in (1, 2, 4, 6, 8):
            if part * power >= most:
                return part * power
        power *= 10


def heat_map(rows: Sequence[Sequence[int]], names: Sequence[str]) -> str:
    """Squares: a row for each weekday, a column for each hour; numbers stand in them.

    Args:
        rows: counts.
        names: of the rows.
    """
    most = max(1, *(max(row) for row in rows))
    size = (WIDTH - _LEFT) / 24
    cells = []
    for down, row in enumerate(rows):
        for across, count in enumerate(row):
            grade = 0 if not count else 1 + min(4, (count - 1) * 5 // most)
            cells.append(
                (
                    round(_LEFT + across * size, 2),
                    round(20 + down * size, 2),
                    _STEPS[grade],
                    "#ffffff" if grade > 3 else "#111111",
                    _short(count) if count else "",
                )
            )
    height = round(24 + len(rows) * size, 2)
    return _template("heatmap.svg").render(
        width=WIDTH, height=height, left=_LEFT, size=round(size, 2), cells=cells, names=names
    )


def _short(count: int) -> str:
    return str(count) if count < 1000 else f"{count / 1000:.0f}k"


def _template(name: str) -> Template:
    return environment().get_template(name)
