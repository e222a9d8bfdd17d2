"""squidGuard's redirects in our spelling.

In: the text after `redirect`, the names that its ACL knew. Out: a template as `watchhouse decide`
reads it (gate/redirector/answers.py).
Must never: leave a sign in it that means something else to us than to squidGuard.

squidGuard (1.6, as tried) puts something in for `%a %n %i %s %t %u %p %f` and `%q`; a `%` before
any other sign stays one. What `%s` and `%t` stand for is known when a rule is made.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

_PLACEHOLDER: Final = re.compile(r"%([afinpqstu]?)")
_NO_QUOTA: Final = "noquota"


def template_of(text: str, source: str | None = None, target: str | None = None) -> str:
    """A redirect in our spelling.

    Args:
        text: as squidGuard has it.
        source: what `%s` stands for; None: it stays, and stands for the profile.
        target: what `%t` stands for; None: it stays, and stands for the category.
    """
    names = {"s": source, "t": target, "q": _NO_QUOTA}

    def in_ours(found: re.Match[str]) -> str:
        if not found[1]:
            return "%%"
        name = names.get(found[1])
        return found[0] if name is None else quote(name, safe="").replace("%", "%%")

    return _PLACEHOLDER.sub(in_ours, text)
