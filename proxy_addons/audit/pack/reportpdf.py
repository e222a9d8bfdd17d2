"""The report for print: PDF/A-2a and PDF/UA-1 by typst, of data that never becomes a program.

In: a report. Out: a PDF, the same octets for the same report.
Must never: put a text of the report into typst's source; use a font of this machine; reach a
network.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import typst

from proxy_addons.audit.pack.about import PackError
from proxy_addons.audit.pack.texts import VERIFY

if TYPE_CHECKING:
    from proxy_addons.audit.pack.report import Report


def data_of(report: Report) -> str:
    """What the template is given: JSON."""
    said: dict[str, Any] = asdict(report)
    said["made"] = [getattr(report.made, part) for part in ("year", "month", "day")]
    return json.dumps(said | {"verify": VERIFY})


def pdf_of(report: Report) -> bytes:
    """The PDF of a report.

    Raises:
        PackError: it could not be made.
    """
    source = files("proxy_addons.audit.pack").joinpath("templates/report.typ").read_bytes()
    try:
        made = typst.compile(
            source,
            format="pdf",
            sys_inputs={"report": data_of(report)},
            pdf_standards=["a-2a", "ua-1"],
            ignore_system_fonts=True,
            font_paths=[],
            timestamp=int(report.made.timestamp()),
        )
    except (typst.TypstError, RuntimeError) as problem:
        # No pack without its report.
        raise PackError(f"the report could not be printed: {str(problem)[:500]}") from problem
    assert isinstance(made, bytes), "one document"
    return made
