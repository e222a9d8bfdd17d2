"""Lines as Squid writes them, drawn from lists: what is listed, what is near it, what is not.

In: lists in squidGuard layout, a seed. Out: lines, each with its class.
Must never: be other lines for the same seed and lists.
"""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_LITERAL = re.compile(r"[a-z]{4,}")
_WORDS = (
    "north",
    "river",
    "garden",
    "stone",
    "paper",
    "cloud",
    "maple",
    "harbour",
    "field",
    "lamp",
)
_ENDS = ("com", "org", "net", "co.uk", "de", "fr", "info", "io", "example")
NAMED = ("heads", "sample.person", "nobody-listed")


class Line(NamedTuple):
    """One line.

    Attributes:
        kind: its class.
        text: as Squid writes it.
    """

    kind: str
    text: str


class Drawn:
    """Draws lines.

    Args:
        lists: a folder with a folder for each category.
        seed: of the draw.
        network: beginning of clients' addresses, such as `10`.
        web_only: whether only what can be sent through Squid in the clear is drawn.
    """

    def __init__(self, lists: Path, seed: int, network: str, *, web_only: bool = False) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - it must repeat itself
        self._network, self._web_only = network, web_only
        self._domains = _entries(lists, "domains")
        self._urls = [each for each in _entries(lists, "urls") if "/" in each]
        self._words = sorted(
            {word for text in _entries(lists, "expressions") for word in _LITERAL.findall(text)}
        )

    def lines(self, number: int) -> list[Line]:
        """So many."""
        kinds: list[tuple[str, int, Callable[[], str]]] = [
            ("listed name", 18, lambda: f"http://{self._name()}{self._path()}"),
            (
                "below a listed name",
                14,
                lambda: f"http://{self._label()}.{self._name()}{self._path()}",
            ),
            ("listed name, www, web or ftp", 6, self._common),
            ("listed name in capitals", 3, lambda: f"http://{self._name().upper()}{self._path()}"),
            ("listed name, trailing dot", 2, lambda: f"http://{self._name()}.{self._path()}"),
            ("listed name, a port", 3, lambda: f"http://{self._name()}:8080{self._path()}"),
            ("listed name, a user", 1, lambda: f"http://me:pw@{self._name()}{self._path()}"),
            ("near: glued before", 6, lambda: f"http://x{self._name()}{self._path()}"),
            ("near: glued after", 4, lambda: f"http://{self._name()}x{self._path()}"),
            ("near: its parent", 4, lambda: f"http://{self._parent()}{self._path()}"),
            ("near: in the path", 3, lambda: f"http://{self._neutral()}/{self._name()}"),
            ("listed URL", 7, lambda: f"http://{self._url()}"),
            ("listed URL and more", 5, lambda: f"http://{self._url()}/{self._label()}.html"),
            ("listed URL and a query", 3, lambda: f"http://{self._url()}?q={self._label()}"),
            ("listed URL, www", 2, lambda: f"http://www.{self._url()}"),
            ("listed URL, below its host", 2, lambda: f"http://{self._label()}.{self._url()}"),
            ("listed URL in capitals", 2, lambda: f"http://{self._url().upper()}"),
            ("listed URL, a port", 2, self._with_port),
            ("listed URL cut short", 3, self._cut),
            ("listed URL, escapes", 2, self._escaped),
            ("listed URL, two slashes", 2, self._doubled),
            ("listed URL, dot segments", 2, self._dotted),
            ("words of expressions in the host", 4, self._word_in_host),
            ("words of expressions in the path", 4, self._word_in_path),
            ("neutral", 18, lambda: f"http://{self._neutral()}{self._path()}"),
            ("an address", 3, lambda: f"http://{self._address()}{self._path()}"),
        ]
        if not self._web_only:
            kinds += [
                ("HTTPS", 6, lambda: f"https://{self._either()}{self._path()}"),
                ("CONNECT", 6, lambda: f"{self._either()}:443"),
                ("ftp", 1, lambda: f"ftp://{self._either()}{self._path()}"),
                ("an address in another way", 1, self._odd_address),
                ("IPv6", 1, lambda: f"http://[2001:db8::{self._chance.randrange(9999):x}]/"),
            ]
        weights = [weight for _, weight, _ in kinds]
        found = []
        for kind, _, make in self._chance.choices(kinds, weights, k=number):
            url = make()
            found.append(Line(kind, f"{url} {self._caller()} {self._method(kind)}"))
        return found

    def _method(self, kind: str) -> str:
        if kind == "CONNECT":
            return "CONNECT"
        return self._chance.choice(("GET", "GET", "GET", "POST", "HEAD"))

    def _caller(self) -> str:
        number = self._chance.randrange(1, 5)
        client = f"{self._network}.{number}.0.{self._chance.randrange(1, 250)}/-"
        ident = "-" if self._web_only or self._chance.random() < 0.8 else self._chance.choice(NAMED)
        return f"{client} {ident}"

    def _name(self) -> str:
        return self._chance.choice(self._domains)

    def _url(self) -> str:
        return self._chance.choice(self._urls)

    def _label(self) -> str:
        return self._chance.choice(_WORDS) + str(self._chance.randrange(1000))

    def _neutral(self) -> str:
        return f"{self._label()}-{self._chance.choice(_WORDS)}.{self._chance.choice(_ENDS)}"

    def _either(self) -> str:
        return self._name() if self._chance.random() < 0.6 else self._neutral()

    def _path(self) -> str:
        draw = self._chance.random()
        if draw < 0.3:
            return "/"
        if draw < 0.6:
            return f"/{self._label()}.html"
        if draw < 0.8:
            return f"/{self._label()}/{self._label()}?a={self._label()}&b=2"
        if draw < 0.95:
            return f"/{self._label().title()}/%7E{self._label()}/a%20b;v=1"
        return f"/go?u=http%3A%2F%2F{self._neutral()}%2F"

    def _common(self) -> str:
        label = self._chance.choice(("www", "www2", "web1", "ftp", "www17"))
        return f"http://{label}.{self._name()}{self._path()}"

    def _parent(self) -> str:
        name = self._name()
        return (
            name.partition(".")[2] if name.count(".") > 1 else f"{name.partition('.')[0]}.invalid"
        )

    def _with_port(self) -> str:
        host, _, path = self._url().partition("/")
        return f"http://{host}:8080/{path}"

    def _cut(self) -> str:
        url = self._url().rstrip("/")
        return f"http://{url[:-1]}" if not url[:-1].endswith("/") else f"http://{url}"

    def _escaped(self) -> str:
        host, _, path = self._url().partition("/")
        if not path[:1].isalnum():
            return f"http://{host}/{path}"
        return f"http://{host}/%{ord(path[0]):02X}{path[1:]}"

    def _doubled(self) -> str:
        host, _, path = self._url().partition("/")
        return f"http://{host}//{path.replace('/', '//', 1)}"

    def _dotted(self) -> str:
        host, _, path = self._url().partition("/")
        return f"http://{host}/./{self._label()}/../{path}"

    def _word_in_host(self) -> str:
        word = self._chance.choice(self._words or _WORDS)
        return f"http://{word}-{self._label()}.{self._chance.choice(_ENDS)}{self._path()}"

    def _word_in_path(self) -> str:
        words = self._words or list(_WORDS)
        first, second = self._chance.choice(words), self._chance.choice(words)
        return f"http://{self._neutral()}/{first}/{second}.php?{second}=1"

    def _address(self) -> str:
        return ".".join(str(self._chance.randrange(1, 255)) for _ in range(4))

    def _odd_address(self) -> str:
        number = self._chance.randrange(1 << 24, 1 << 32)
        return f"http://{number if self._chance.random() < 0.5 else hex(number)}/"


def _entries(lists: Path, kind: str) -> list[str]:
    found = {
        line.strip()
        for path in sorted(lists.glob(f"*/{kind}"))
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines()
        if line.strip()
    }
    plain = re.compile(r"[!-~]+")
    return sorted(each for each in found if kind == "expressions" or plain.fullmatch(each))
