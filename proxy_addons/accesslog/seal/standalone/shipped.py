"""The verifiers as they are given to others: one file each, put together from two of this folder.

In: which one. Out: the text of a file for Python 3.9 that imports nothing but its standard library.
Must never: change a line of what it puts together but for imports; make a file that does not run:
a source of another form than the one below is refused.

A source is a docstring, imports of whole lines, and code that imports nothing. The file has the
docstring of the part, the imports of both, the code of `common`, the code of the part. What the
part takes from `common` stands there already, so that this one import is left out.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final, NamedTuple

_COMMON: Final = "proxy_addons.accesslog.seal.standalone.common"
_FUTURE: Final = "__future__"  # Python 3.9 does without what the sources take from there
PARTS: Final = {"pack": "pack.py", "seals": "folder.py"}
"""What can be checked, and the part that does it."""


class SourceError(Exception):
    """Sources that cannot be put together. The text says which, and why."""


class Source(NamedTuple):
    """A source, taken apart.

    Attributes:
        docstring: with its quotes.
        modules: that it imports whole.
        names: that it imports from modules of the standard library.
        common: names that it takes from `common`.
        code: all behind the imports.
    """

    docstring: str
    modules: set[str]
    names: dict[str, set[str]]
    common: set[str]
    code: str


def source_of(text: str) -> Source:
    """Take a source apart.

    Raises:
        SourceError: it has another form.
    """
    try:
        first, *rest = ast.parse(text).body
    except (SyntaxError, ValueError) as problem:
        # Nothing is put together.
        raise SourceError(f"a source cannot be read: {problem}") from problem
    if ast.get_docstring(ast.Module([first], [])) is None:
        raise SourceError("a source begins with no docstring")
    lines, end = text.splitlines(keepends=True), first.end_lineno or 0
    found = Source("".join(lines[:end]), set(), {}, set(), "")
    while rest and isinstance(node := rest[0], ast.Import | ast.ImportFrom):
        if node.lineno <= end:
            raise SourceError(f"line {node.lineno}: imports do not have one line each")
        _take(node, found)
        end = node.end_lineno or 0
        del rest[0]
    if any(isinstance(each, ast.Import | ast.ImportFrom) for top in rest for each in ast.walk(top)):
        raise SourceError("imports something behind its first line of code")
    return found._replace(code="".join(lines[end:]).strip("\n") + "\n")


def _take(node: ast.Import | ast.ImportFrom, into: Source) -> None:
    names = {each.name for each in node.names}
    if "*" in names or any(each.asname for each in node.names):
        raise SourceError(f"line {node.lineno}: a name that is imported as another, or all names")
    module, near = min(names), 0
    if isinstance(node, ast.Import) and len(names) > 1:
        raise SourceError(f"line {node.lineno}: imports do not have one line each")
    if isinstance(node, ast.ImportFrom):
        module, near = node.module or "", node.level
    if module == _COMMON:
        into.common.update(names)
    elif near or module.partition(".")[0] == "proxy_addons":
        raise SourceError(f"line {node.lineno}: takes something of ours but names of {_COMMON}")
    elif isinstance(node, ast.Import):
        into.modules.update(names)
    elif module != _FUTURE:
        into.names.setdefault(module, set()).update(names)


def together(common: str, part: str) -> str:
    """Put two sources together.

    Raises:
        SourceError: one of them has another form, or the common one lacks what the part takes.
    """
    first, second = source_of(common), source_of(part)
    if first.common:
        raise SourceError("the common source takes something from itself")
    names, others = _defined(first.code), _defined(second.code)
    if lacking := second.common - names:
        raise SourceError(f"takes {min(lacking)} from a source that does not have it")
    if twice := names & others:
        raise SourceError(f"both say what {min(twice)} is")
    imports = [f"import {each}\n" for each in sorted(first.modules | second.modules)]
    for module in sorted(first.names.keys() | second.names.keys()):
        taken = first.names.get(module, set()) | second.names.get(module, set())
        imports.append(f"from {module} import {', '.join(sorted(taken))}\n")
    head = f"{second.docstring}\n{''.join(imports)}"
    return f"{head}\n{first.code}\n\n{second.code}"


def _defined(code: str) -> set[str]:
    """The names that code defines for all of its file."""
    found: set[str] = set()
    for node in ast.parse(code).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            stored = (each for each in ast.walk(node) if isinstance(each, ast.Name))
            found |= {each.id for each in stored if isinstance(each.ctx, ast.Store)}
    return found


def shipped(of: str) -> str:
    """The verifier of something, as one file.

    Args:
        of: one of `PARTS`.

    Raises:
        SourceError: see `together`.
        OSError: our own sources cannot be read.
    """
    folder = Path(__file__).parent
    common, part = ((folder / name).read_text("utf-8") for name in ("common.py", PARTS[of]))
    return together(common, part)
