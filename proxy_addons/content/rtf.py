"""Rich Text Format (1.9.1): its text, heads and feet of pages, properties.

In: a file. Out: parts for markings.py.
Must never: follow a link or a template; hold more than a block, and a line.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, BinaryIO, Final

from proxy_addons.content.documents import BLOCK, Budget, UnreadableError
from proxy_addons.content.markings import Part

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proxy_addons.content.markings import Where

_TOKEN = re.compile(
    rb"\\([a-zA-Z]{1,32})(-?\d{1,10})?[ ]?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z'])|([{}])|[\r\n]+"
    rb"|([^\\{}\r\n]+)",
    re.DOTALL,
)
_MARGINS: Final[dict[bytes, Where]] = {
    b"header": "header",
    b"headerl": "header",
    b"headerr": "header",
    b"headerf": "header",
    b"footer": "footer",
    b"footerl": "footer",
    b"footerr": "footer",
    b"footerf": "footer",
}
_PROPERTIES: Final = frozenset(
    {b"title", b"subject", b"keywords", b"category", b"doccomm", b"company"}
)
_SKIPPED: Final = frozenset(
    {b"fonttbl", b"colortbl", b"stylesheet", b"pict", b"objdata", b"listtable", b"themedata",
     b"datastore", b"generator", b"fldinst", b"xmlnstbl", b"rsidtbl", b"latentstyles", b"object"}
)  # fmt: skip
_BREAKS: Final = {
    b"par": "\n",
    b"line": "\n",
    b"page": "\n",
    b"sect": "\n",
    b"row": "\n",
    b"cell": "\t",
    b"tab": "\t",
    b"endash": "-",
    b"emdash": "-",
    b"nonesttables": "",
}
_SIGNS: Final = {b"~": " ", b"_": "-", b"\\": "\\", b"{": "{", b"}": "}"}
_DEEPEST: Final = 1000
_LINE: Final = 1 << 16

# Where text of a group goes: a place of a part, a property's name, or nowhere.
_Group = tuple["Where", str] | None


class _Reader:
    def __init__(self) -> None:
        self._groups: list[tuple[_Group, int]] = []
        self._group: _Group = ("body", "")
        self._skip = 1  # characters after \u that stand for it (\uc)
        self._left = 0
        self._text: list[str] = []
        self._size = 0
        self._starred = False
        self._property: list[str] = []
        self._is_property_name = False
        self.ready: list[Part] = []

    def take(self, token: re.Match[bytes]) -> None:
        """One word, sign or stretch of text."""
        word, number, code, sign, brace, text = token.groups()
        if brace == b"{":
            if len(self._groups) > _DEEPEST:
                raise UnreadableError("groups in groups in groups")
            self._groups.append((self._group, self._skip))
        elif brace == b"}":
            self._close()
        elif word is not None:
            self._word(word, int(number) if number else None)
        elif code is not None:
            self._put(bytes([int(code, 16)]).decode("cp1252", "replace"))
        elif sign is not None:
            if sign == b"*":
                self._starred = True
            else:
                self._put(_SIGNS.get(sign, ""))
        elif text is not None:
            self._put(text.decode("cp1252", "replace"))

    def _word(self, word: bytes, number: int | None) -> None:
        starred, self._starred = self._starred, False
        if word in _MARGINS:
            self._enter((_MARGINS[word], ""))
        elif word in _PROPERTIES or word in (b"propname", b"staticval"):
            self._enter(("property", word.decode()))
        elif word in _SKIPPED or (starred and word not in (b"shppict", b"shpinst", b"userprops")):
            self._enter(None)
        elif word == b"u" and number is not None:
            self._left = 0
            self._put(chr(number % 0x10000) if not 0xD800 <= number % 0x10000 < 0xE000 else "?")
            self._left = self._skip
        elif word == b"uc":
            self._skip = min(number or 0, 16)
        elif word in _BREAKS:
            self._put(_BREAKS[word])

    def _enter(self, group: _Group) -> None:
        self.flush()
        self._group = group

    def _close(self) -> None:
        before, self._skip = self._groups.pop() if self._groups else (("body", ""), 1)
        if before != self._group:
            self.flush()
        self._group = before

    def _put(self, text: str) -> None:
        if self._left and text:
            dropped = min(self._left, len(text))
            self._left -= dropped
            text = text[dropped:]
        if self._group is not None and self._size < _LINE:
            self._text.append(text)
            self._size += len(text)
            if "\n" in text and self._size > _LINE // 2:
                self.flush()

    def flush(self) -> None:
        """Hands over what there is."""
        text = "".join(self._text)
        self._text.clear()
        self._size = 0
        if self._group is None or not text.strip():
            return
        where, name = self._group
        if name == "propname":
            self._property = [text]
        elif name == "staticval":
            self.ready.append(Part("property", f"{''.join(self._property)}: {text}"))
        elif where == "property":
            self.ready.append(Part("property", f"{name}: {text}"))
        else:
            self.ready.append(Part(where, text))


def rtf_parts(file: BinaryIO, budget: Budget) -> Iterator[Part]:
    """The parts of a file.

    Raises:
        UnreadableError: when its groups go too deep.
    """
    reader = _Reader()
    rest = b""
    while block := file.read(BLOCK):
        budget.unpacked(len(block))
        data = rest + block
        # A word may go on in the next block: what is read ends before the last backslash.
        end = data.rfind(b"\\", max(0, len(data) - 64))
        end = len(data) if end < 0 or len(block) < BLOCK else end
        for token in _TOKEN.finditer(data, 0, end):
            reader.take(token)
        rest = data[end:]
        yield from reader.ready
        reader.ready.clear()
    for token in _TOKEN.finditer(rest):
        reader.take(token)
    reader.flush()
    yield from reader.ready
