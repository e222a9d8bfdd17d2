"""Two sources put together: what comes out, and what is refused."""

from __future__ import annotations

import pytest

from proxy_addons.accesslog.seal.standalone.shipped import SourceError, together

FUTURE = "from __future__ import annotations\n"
OURS = "proxy_addons.accesslog.seal.standalone.common"
COMMON = f'''"""Of both."""

{FUTURE}
import sys
from hashlib import sha512

ONE, TWO = 1, 2


def log() -> None:
    """A function."""
    sys.exit(sha512().name)
'''
PART = f'''"""A part.

More of it.
"""

{FUTURE}
import io
import sys
from hashlib import sha256
from typing import Any

from {OURS} import (
    ONE,
    log,
)


class Part:
    """A class."""

    of: Any = (io, sys, sha256, ONE, log)
'''
FILE = '''"""A part.

More of it.
"""

import io
import sys
from hashlib import sha256, sha512
from typing import Any

ONE, TWO = 1, 2


def log() -> None:
    """A function."""
    sys.exit(sha512().name)


class Part:
    """A class."""

    of: Any = (io, sys, sha256, ONE, log)
'''


def test_two_sources_are_one_file() -> None:
    assert together(COMMON, PART) == FILE


@pytest.mark.parametrize(
    ("was", "what", "said"),
    [
        ('"""A part.\n\nMore of it.\n"""\n', "", "no docstring"),
        ("import io\n", "import io as more\n", "as another"),
        ("import Any\n", "import Any as More\n", "as another"),
        ("    ONE,\n    log,\n", "    *\n", "invalid syntax|all names"),
        ("import io\n", "from . import io\n", "takes something of ours"),
        ("import io\n", "from .common import io\n", "takes something of ours"),
        ("import io\n", "from proxy_addons import accesslog\n", "takes something of ours"),
        ("import io\n", "import proxy_addons\n", "takes something of ours"),
        ("    of: Any", "    import re\n    of: Any", "behind its first line of code"),
        ("class Part:", "TYPES = 1\nimport re\n\nclass Part:", "behind its first line of code"),
        ("    log,\n", "    log,\n    more,\n", "takes more from"),
        ("class Part:", "class log:", "both say what log is"),
        ("class Part:", "TWO: int = 3\n\n\nclass Part:", "both say what TWO is"),
        ("class Part:", "import\n\n\nclass Part:", "cannot be read"),
        ("import io\n", "import io; import re\n", "one line each"),
        ("import io\n", "import io, proxy_addons\n", "one line each"),
        ("class Part:", "x = 1; class Part:", "cannot be read"),
    ],
)
def test_a_part_of_another_form_is_refused(was: str, what: str, said: str) -> None:
    assert was in PART
    with pytest.raises(SourceError, match=said):
        together(COMMON, PART.replace(was, what))


@pytest.mark.parametrize(
    ("was", "what", "said"),
    [
        ("import sys\n", f"import sys\nfrom {OURS} import log\n", "takes something from itself"),
        ('"""Of both."""\n', "", "no docstring"),
        ("def log", "def dog", "takes log from"),
    ],
)
def test_a_common_source_of_another_form_is_refused(was: str, what: str, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        together(COMMON.replace(was, what), PART)
