"""What every page of ours shares: the templates, the style, and the headers that guard it.

In: template folders. Out: a Jinja environment, and the security headers that fit its pages.
Must never: load anything from elsewhere; a page of ours works with the network gone.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

_TEMPLATES = Path(__file__).parent / "templates"

STYLE = Markup((_TEMPLATES / "style.css").read_text("utf-8"))  # noqa: S704 - our own file
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode("ascii")

# `img-src data:` is for the tab icon alone: without one of its own the browser would ask the
# refused site for /favicon.ico, which would be one more refusal in the log.
# No frame-ancestors: a refused frame inside an allowed page should say why it is empty, and the
# block page has nothing to be tricked into clicking. The portal adds the directive.
CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; "
    "base-uri 'none'; form-action 'none'"
)


def environment(*folders: Path) -> Environment:
    """A Jinja environment with the shared base page: escapes everything, forgives nothing.

    Args:
        folders: template folders looked into before the shared one.
    """
    made = Environment(
        loader=FileSystemLoader([*folders, _TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals["style"] = STYLE
    return made
