"""Where somebody goes after signing in: only ever to a page of ours.

In: the `next` of a query or form, as anybody may have written it. Out: a path that is safe.
Must never: lead to another host.
"""

from __future__ import annotations

import re
from urllib.parse import quote

HOME = "/you"
_OURS = re.compile(r"/[A-Za-z0-9][A-Za-z0-9/_.-]*(\?[A-Za-z0-9=&_.%+-]*)?")
_LONGEST = 300


def safe(path: str | None) -> str:
    """The path, or the start page where it is none of ours.

    Args:
        path: as it came.
    """
    if path is None or len(path) > _LONGEST or not _OURS.fullmatch(path):
        return HOME
    # Signing in must not end in a circle.
    return HOME if path.startswith(("/sign-in", "/sign-out", "/confirm")) else path


def with_next(page: str, path: str) -> str:
    """The address of a page that goes on to `path` afterwards."""
    going_on = safe(path)
    return page if going_on == HOME else f"{page}?next={quote(going_on, safe='/')}"
