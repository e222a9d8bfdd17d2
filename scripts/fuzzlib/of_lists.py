"""Target: the files of category lists.

Each line is an entry, or a problem with file and line; an entry matches what it names; expressions
are searched without an error.

In: a byte that chooses the kind of file, then the file. Out: nothing, or a finding.
Must never: take more than a file's lines for entries.
"""

from __future__ import annotations

from contextlib import suppress

from fuzzlib.place import folder
from proxy_addons.categorisation.entries import (
    EXACT,
    Kind,
    readable,
    request_text,
    without_common_label,
)
from proxy_addons.categorisation.expressions import ExpressionSet
from proxy_addons.categorisation.reading import read_entries
from proxy_addons.categorisation.report import Problems
from proxy_addons.categorisation.tree import ListFile
from proxy_addons.urlkey import url_key
from proxy_addons.urlkey.texts import key_host_text

_KINDS = (Kind.DOMAINS, Kind.URLS, Kind.EXPRESSIONS)
_HOSTS = 255  # first byte: the kind that came later
_TEXTS = ("example.com/", "www.example.com/a/b?c=d&e", "192.0.2.1/" + "a" * 300)
_PATTERNS_AT_ONCE = 50


def seeds() -> list[bytes]:
    """Files of each kind."""
    domains = (
        b"\xef\xbb\xbfexample.com\n# note\n.sub.example.com  # why\r\n192.0.2.1\nB\xc3\xbccher.de\n"
    )
    urls = (
        b"example.com/a\nhttp://www.example.com/a//b?c=%41\n[2001:db8::1]/x\nweb2.example.com/~u\n"
    )
    expressions = b"(^|[-.])adult[^a-z]\n\\<game\\>|casino.*\\.(exe|zip)$\na{1,20}b*?"
    return [
        *(b"\xff" + domains, b"\0" + domains, b"\1" + urls, b"\2" + expressions),
        *(
            b"\0*.example.com\nhttp://a.b/\na b\n\xff\xfe\n",
            b"\1u@example.com/\nexample.com:80/#x\n",
        ),
        *(b"\2(((((\n[z-a]\n\\8\na{1000}{1000}\n", b"\0" + b"a." * 100 + b"com\n1.2.3\n0x1\n"),
    ]


def words() -> list[bytes]:
    """What lines are made of."""
    return [
        *(b"\n", b"\r\n", b"#", b" ", b"\t", b".", b"/", b"//", b"?", b":", b"@", b"[", b"]", b"*"),
        *(b"%2e", b"%", b"xn--", b"0x", b"\xff", b"\xc3\xbc", b"\xe3\x80\x82", b"\0", b"\x1b[0m"),
        *(b"(", b")", b"{1,1000}", b"|", b"^", b"$", b"\\b", b"\\<", b"\\>", b"(?i)", b"(?P<a>"),
        *(
            b"\\p{L}",
            b"\\C",
            b"\\Q",
            b"[[:alpha:]]",
            b"www.",
            b"web3.",
            b"http://",
            b"\x85",
            b"\x0b",
        ),
    ]


def check(data: bytes) -> None:
    """Entries or problems, line by line."""
    if not data:
        return
    kind = Kind.HOSTS if data[0] == _HOSTS else _KINDS[data[0] % len(_KINDS)]
    path = folder() / kind
    path.write_bytes(data[1:])
    problems = Problems()
    found: list[str] = []
    for texts, _ in read_entries(ListFile(path, f"fuzz/{kind}", kind, ("fuzz",)), problems):
        found += texts
    lines = data.count(b"\n") + 1
    assert len(found) + len(problems) <= lines, "more entries and problems than lines"
    for problem in problems.shown:
        said = str(problem)
        assert said.startswith(f"fuzz/{kind}:")
        assert 1 <= problem.line <= lines
        assert said.isprintable(), "a report that a terminal would obey"
    if kind is Kind.EXPRESSIONS:
        _search(found)
    else:
        for text in found:
            _matches(text)


def _matches(text: str) -> None:
    """An entry matches the address that it names, itself as far as it goes."""
    entry = readable(text)
    host, slash, rest = entry.partition("/")
    if "%" in rest.partition("?")[2]:
        return  # escapes of a query are undone once: what was `%4%41` would be undone again here
    if rest.endswith("?"):
        rest += "x"  # it stands for any query; a key has no empty one
    key = url_key(f"http://{f'[{host}]' if ':' in host else host}/{rest}")
    assert key.host == host, "an entry that names another host"
    asked = request_text(key, without_common_label(key.host))
    bare = request_text(key, key.host)
    if not slash and text.endswith(EXACT):  # asked for as a whole
        assert text == key_host_text(key) + EXACT
        return
    assert asked.startswith(text) or bare.startswith(text), (text, asked)
    # A name ends between labels, so that it never covers a name that only ends like it.
    assert slash or text.endswith(".")


def _search(patterns: list[str]) -> None:
    with suppress(ValueError):  # together they need too much: said by the compiler
        expressions = ExpressionSet(patterns[:_PATTERNS_AT_ONCE])
        for text in _TEXTS:
            for skip in (0, 4):
                assert all(
                    0 <= number < len(patterns) for number in expressions.matching(text, skip)
                )
