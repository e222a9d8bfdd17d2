"""The chart of how cost grows, drawn by matplotlib.

In: a run's figures. Out: an SVG file. matplotlib is no dependency of the gateway, nor of the bench:
`.venv/bin/pip install matplotlib` where a chart is to be drawn.
Must never: hold a figure of its own.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from benchlib.growth import WHAT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MISSING = "scripts/bench chart: matplotlib is not installed: .venv/bin/pip install matplotlib"
LINES = {
    "recorded_us": ("with its record", "#444444", "s"),
    "decision_us": ("decision, host new", "#0b5cad", "o"),
    "repeated_us": ("decision, Zipf mix", "#c2570c", "^"),
}


def draw(written: Mapping[str, Any], output: Path) -> None:
    """Draw it; ends the program where matplotlib or the figures are missing."""
    growth = written["studies"].get("growth")
    if growth is None:
        sys.exit("scripts/bench chart: this run has no figures of `growth`")
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError:
        sys.exit(MISSING)
    # The same file each time, but for the figures.
    mpl.rcParams.update({"svg.hashsalt": "watchhouse", "svg.fonttype": "none", "font.size": 9})
    figure = Figure(figsize=(10, 6), layout="constrained")
    panels = figure.subplots(2, len(growth["by"]), squeeze=False)
    for place, (what, rows) in enumerate(growth["by"].items()):
        above, below = panels[0][place], panels[1][place]
        sizes = [int(size) for size in rows]
        for key, (label, colour, mark) in LINES.items():
            found = [row[key] for row in rows.values()]
            middle = [each["median"] for each in found]
            above.plot(sizes, middle, marker=mark, color=colour, label=label)
            least, most = ([each[end] for each in found] for end in ("least", "most"))
            above.fill_between(sizes, least, most, color=colour, alpha=0.15, linewidth=0)
        index = what == "names"
        key = "index_mb" if index else "settings_mb"
        memory = [row[key] if index else row[key]["median"] for row in rows.values()]
        below.plot(sizes, memory, marker="D", color="#2f6f44")
        above.set_ylim(bottom=0)
        below.set_ylim(bottom=0)
        for panel in (above, below):
            panel.set_xscale("log")
            panel.grid(visible=True, alpha=0.3)
            panel.set_xlabel(WHAT[what])
        below.set_ylabel("MB: the index file" if index else "MB a process: settings and policy")
    panels[0][0].set_ylabel("CPU µs a decision")
    panels[0][0].legend(fontsize=8)
    facts = written["facts"]
    figure.suptitle(f"scripts/bench --only growth, commit {facts['commit']}, {facts['date'][:10]}")
    figure.savefig(output, metadata={"Date": None})
    print(f"drawn: {output}")
