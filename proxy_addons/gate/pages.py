"""What every page of ours shares: the templates, the style, and the headers that guard it.

In: template folders. Out: a Jinja environment, and the security headers that fit its pages.
Must never: load anything from elsewhere; a page of ours works with the network gone.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

_TEMPLATES = Path(__file__).parent / "templates"

STYLE = Markup((_TEMPLATES / "style.css").read_text("utf-8"))  # noqa: S704 - our own file


# `img-src data:` is for the tab icon alone: without one of its own the browser would ask the
# refused site for /favicon.ico, which would be one more refusal in the log.
# No frame-ancestors where there is nothing to be tricked into clicking: a refused frame inside an
# allowed page should say why it is empty. Pages with buttons, and the portal's, have it.
def content_security_policy(
    *, style: str = STYLE, forms: bool = False, scripts: bool = False
) -> str:
    """The policy of a page of ours (CSP level 3).

    Args:
        style: the page's style sheet.
        forms: whether the page may send forms, which then may only lead to where it came from.
        scripts: whether files of ours may run in it, and ask us; never what stands in a page.
    """
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    running = " script-src 'self'; connect-src 'self';" if scripts else ""
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:;{running} "
        f"base-uri 'none'; form-action {"'self'" if forms else "'none'"}"
    )


CONTENT_SECURITY_POLICY = content_security_policy()
CONTENT_SECURITY_POLICY_OF_BUTTONS = (
    f"{content_security_policy(forms=True)}; frame-ancestors 'none'"
)
"""Of a block page with something to click."""


def environment(*folders: Path, style: Markup = STYLE, at_once: bool = True) -> Environment:
    """A Jinja environment with the shared base page: escapes everything, forgives nothing.

    All templates are read now: a refusal must not depend on the disk, which may be what has just
    failed, and no event loop may wait for it.

    Args:
        folders: template folders besides the shared one; the first that has a name wins.
        style: the style sheet of its pages.
        at_once: whether all are compiled now; else each at its first use, which then takes some
            hundredths of a second longer.
    """
    sources: dict[str, str] = {}
    for folder in (*folders, _TEMPLATES):
        for path in folder.glob("*.html"):
            sources.setdefault(path.name, path.read_text("utf-8"))
    made = Environment(
        loader=DictLoader(sources),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=-1,
    )
    made.globals["style"] = style
    for name in sources if at_once else ():
        made.get_template(name)
    return made
