"""The report as one page: nothing is fetched, nothing runs, all is escaped.

In: a report. Out: HTML.
Must never: have a script; ask anybody for anything; show a text that was not escaped.
"""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from typing import TYPE_CHECKING

from markupsafe import Markup

from proxy_addons.audit.pack.charts import environment
from proxy_addons.audit.pack.texts import VERIFY

if TYPE_CHECKING:
    from proxy_addons.audit.pack.report import Report


def html_of(report: Report) -> str:
    """The page of a report."""
    style = files("proxy_addons.audit.pack").joinpath("templates/report.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        environment()
        .get_template("report.html")
        .render(
            report=report,
            style=Markup(style),  # noqa: S704 - a file of ours
            style_hash=Markup(f"sha256-{digest}"),  # noqa: S704 - base64
            verify=VERIFY,
        )
    )
