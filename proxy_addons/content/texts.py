"""Text: whether bytes are text, and what text it is.

In: the first bytes of a body, what is declared of it. Out: text; ids of policy/findings.py.
Must never: take time that grows faster than the text (expressions have no nested repeats); let a
name make a page of a script.

Scripts have no signatures. Their names tell (content/claims.py); where a script has none, what
only scripts of its kind have at the start of lines does.
"""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, Final

import re2

from proxy_addons.content.claims import claimed_scripts, is_shown
from proxy_addons.content.declared import NOTHING
from proxy_addons.policy.findings import GROUPS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy_addons.content.declared import Declared

LOOKED_AT: Final = 8192
"""Bytes that decide whether it is text, and characters in which scripts are looked for."""

_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_IN_TEXT: Final = bytes({7, 8, 9, 10, 12, 13, 27} | (set(range(0x20, 0x100)) - {0x7F}))
_START: Final = re.compile(rb"[\t\n\f\r\x20-\x7e]{8,}")
_SOFTWARE: Final = GROUPS["software"]
_HIGH: Final = bytes(range(0x80, 0x100))
_MOST_HIGH: Final = 0.9
"""Share of bytes above ASCII in a text that is no UTF-8: of older encodings."""

_STARTS: Final = (
    ("shell-script", re.compile(r"#!")),
    ("windows-script", re.compile(r"#@~\^")),  # encoded VBScript and JScript
    ("windows-settings", re.compile(r"\s*(?:REGEDIT4|Windows Registry Editor Version )")),
    (
        "windows-shortcut",
        re.compile(r"(?:[^\n]{0,200}\n){0,12}?\s*\[InternetShortcut(?:\.[AW])?\]", re.IGNORECASE),
    ),
    (
        "windows-settings",
        re.compile(
            r"(?:\s*;[^\n]*\n)*\s*\[Version\][^\[]{0,600}?\n\s*Signature\s*=", re.IGNORECASE
        ),
    ),
    (
        "windows-shortcut",
        re.compile(r"\s*\[Shell\]\s*\n\s*(?:Command|IconFile)\s*=", re.IGNORECASE),
    ),
    ("windows-settings", re.compile(r"\s*\[autorun\]", re.IGNORECASE)),
    ("shell-script", re.compile(r"(?:\s*#[^\n]*\n)*\s*\[Desktop Entry\]")),
    ("linux-package", re.compile(r"\s*\[Flatpak Re[fp]")),
    ("pdf", re.compile(r"%PDF-")),
    ("document", re.compile(r"\{\\rt|%!PS-Adobe")),
)
"""What the first characters tell, and is no markup."""

_BATCH: Final = (
    r"""^[ \t]*@(?:echo[ \t]+o(?:ff|n)\b|setlocal\b|rem\b|call[ \t]|cls\b|goto[ \t:]|pushd[ \t]"""
    r"""|set[ \t]+(?:/[ap][ \t]+)?"?\w+=|title[ \t]|powershell\b|cmd(?:\.exe)?[ \t]+/|start[ \t]"""
    r"""|if[ \t]+(?:/i|not|exist|defined|errorlevel|"?%)|for[ \t]+/?[fdlr]?[ \t]*%%|"?%~?\w)"""
)
_SCRIPT_HOST: Final = (
    r"\bWScript\s*\.\s*(?:CreateObject|Shell|Echo|Quit|Arguments|Sleep|ScriptFullName)\b",
    r"\b(?:ActiveX|Create)Object\s*\(\s*[\"'](?:WScript\.|Shell\.Application|Scripting\.|ADODB\.Stream)",
)
_VISUAL_BASIC: Final = (
    r"^[ \t]*(?:Option[ \t]+Explicit|On[ \t]+Error[ \t]+Resume[ \t]+Next)\b",
    r"\b(?:CreateObject|GetObject)\s*\(|\bWScript\.|^[ \t]*Dim[ \t]+\w",
)
_POWERSHELL: Final = (
    r"^[ \t]*\[CmdletBinding\(",
    r"^[ \t]*param[ \t]*\([ \t]*(?:\r?$|\[|\$|#)",
    r"^[ \t]*(?:function|filter)[ \t]+(?:global:|script:)?[a-z]+-[a-z]\w+",
    r"^[ \t]*\$(?:ErrorAction|Progress|Verbose)Preference[ \t]*=",
    r"\$(?:PSScriptRoot|PSBoundParameters|PSVersionTable|MyInvocation)\b",
    r"^[ \t]*(?:Write-(?:Host|Output|Error|Warning|Verbose)|Invoke-\w+|iex|irm|iwr)[ \t]",
    r"^[ \t]*(?:Set-StrictMode|Set-ExecutionPolicy|Import-Module|Add-Type|Start-Process)[ \t]",
    r"^[ \t]*(?:Get|New|Remove|Test|Copy|Move)-(?:Item|Path|ChildItem|Content|Object)[ \t]",
    r"^[ \t]*\$\w+[ \t]*=[ \t]*(?:New-Object|Get-\w+|Join-Path|Invoke-\w+|\[[\w.]+\]::)",
    r"^#Requires[ \t]+-",
    r"<#[ \t]*\r?\n?[ \t]*\.(?:SYNOPSIS|DESCRIPTION)",
    r"\[(?:System\.)?(?:Net|IO|Text|Reflection|Convert|Security|Environment)[\w.]*\]::",
    r"\|[ \t]*(?:ForEach-Object|Where-Object|Out-Null|iex|Invoke-Expression)\b",
)
_PROSE: Final = r"^(?:```|~~~|\.\. code|={4,}\r?$|-{4,}\r?$|#{2,6} \S)"
"""What documentation that quotes scripts has: it is none."""


def _set(*expressions: str) -> re2.Set:
    """Expressions that are looked for in one walk, in time linear in the text (RE2)."""
    options = re2.Options()
    options.case_sensitive = False
    options.never_capture = True
    made = re2.Set.SearchSet(options)
    for expression in expressions:
        made.Add(f"(?m){expression}")
    made.Compile()
    return made


_SIGNS: Final = _set(_PROSE, _BATCH, *_SCRIPT_HOST, *_VISUAL_BASIC, *_POWERSHELL)
_IS_PROSE, _IS_SCRIPT, _IS_BASIC = {0}, {2, 3}, {4, 5}
_IS_BATCH: Final = 1
_IS_POWERSHELL: Final = frozenset(range(6, 6 + len(_POWERSHELL)))
_BATCH_START: Final = 512
"""Characters in which a batch file shows as one: further on they may be quoted."""
_BATCH_HERE: Final = re.compile(f"(?im){_BATCH}")
_PROSE_ENDINGS: Final = frozenset({"md", "markdown", "rst", "adoc", "csv", "patch", "diff"})

_MARKUP: Final = re.compile(r"\s*<(?:[?!]|(?:[\w-]+:)?[A-Za-z_])")
_MARKUP_SKIPPED: Final = re.compile(
    r"\s+|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>[]*(?:\[[^\]]*\])?[^>]*>", re.DOTALL | re.IGNORECASE
)
_ELEMENT: Final = re.compile(r"<(?:[\w.-]+:)?([\w.-]{1,60})")
_BY_ROOT: Final[Mapping[str, str]] = {
    "jnlp": "java-program",
    "mmc_consolefile": "windows-settings",
    "appinstaller": "windows-settings",
    "pcsettings": "windows-settings",
    "librarydescription": "windows-settings",
    "searchconnectordescription": "windows-settings",
    "svg": "image",
    "worddocument": "document",
    "document": "document",  # flat OpenDocument, office:document
    "html": "web-page",
}
_HOSTED: Final = frozenset({"package", "job", "component", "scriptlet", "public"})
"""Roots of files that Windows Script Host runs, and of scriptlets."""
_HYPERTEXT: Final = frozenset(
    {"html", "head", "body", "script", "style", "title", "meta", "link", "base", "table", "div"}
    | {"span", "p", "h1", "h2", "h3", "h4", "h5", "h6", "a", "b", "br", "center", "font", "form"}
    | {"iframe", "frameset", "img", "main", "nav", "section", "article", "header", "footer", "ul"}
    | {"ol", "noscript", "template"}
)
_DOCTYPE: Final = re.compile(r"<!doctype\s+html", re.IGNORECASE)
_IN_MARKUP: Final = _set(
    r"<hta:application\b",
    r"<(?:ms|msxsl):script\b",
    r"\bmacrosPresent\s*=\s*[\"']yes|<ooo:libraries\b",
    r"<(?:script|registration|implements|method)\b",
    r"<(?:\w+:)?deployment\b",
    r"<\?mso-application\b",
)
_APPLICATION, _SCRIPTED, _MACROS, _HOSTED_TOO, _CLICK_ONCE, _OFFICE = range(6)
_FIELD: Final = re.compile(
    r"(?:[!-9;-~]{1,60}:[^\n]*\n(?:[ \t][^\n]*\n)*){0,200}?"
    r"(?:MIME-Version|Message-ID|Received|Return-Path|Delivered-To):",
    re.IGNORECASE,
)
_OFFICE_MAIL: Final = re.compile(
    r"Content-(?:Location|Disposition):[^\n]*editdata\.mso", re.IGNORECASE
)
_SCRIPT_TYPES: Final = frozenset(
    {"text/javascript", "application/javascript", "application/x-javascript", "text/ecmascript",
     "application/ecmascript", "text/jscript"}
)  # fmt: skip
_OF_PAGES: Final = _SCRIPT_TYPES | {"text/css", "application/json"}
_SCRIPT_ENDINGS: Final = frozenset({"js", "mjs", "cjs"})
_DATA_ENDINGS: Final = frozenset(
    {"json", "csv", "tsv", "xml", "yaml", "yml", "toml", "ini", "sql", "ics", "vcf", "map",
     "geojson", "m3u8", "m3u", "gpx", "kml"}
)  # fmt: skip


def text_of(head: bytes) -> str | None:
    """The text that the first bytes are; None when they are none.

    Without a mark at its start it is UTF-8, or some encoding of a byte a character, read as
    Latin-1: what tells is ASCII in all of them.
    """
    head = head[:LOOKED_AT]
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            text = head[len(mark) :].decode(encoding, "replace")
            return None if "\0" in text else text
    if head.translate(None, _IN_TEXT):
        return None
    if head.isascii():
        return head.decode("ascii")
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        # Not UTF-8: an older encoding, or bytes without meaning to us (then "unknown").
        high = len(head) - len(head.translate(None, _HIGH))
        return head.decode("latin-1") if high <= _MOST_HIGH * len(head) else None


def scripts_before_others(head: bytes) -> frozenset[str]:
    """Scripts at the start of a body that is no text as a whole: they carry an archive."""
    start = _START.match(head, 0, LOOKED_AT)
    if start is None:
        return frozenset()
    return types_in_text(start[0].decode("latin-1"), NOTHING) & _SOFTWARE


def types_in_text(text: str, declared: Declared) -> frozenset[str]:
    """What a text is; never empty."""
    claimed = claimed_scripts(declared)
    if _MARKUP.match(text):
        found = _markup(text)
        if found == {"web-page"} and is_shown(declared) and "hta" not in declared.endings:
            # A page about a script, or a server's own: the browser shows it, whatever it is called.
            return found
    else:
        found = _by_start(text, declared) or _by_content(text, declared)
    if found and claimed:
        return claimed | (found - {"data", "text"})
    return claimed or found or frozenset({_ordinary(text, declared)})


def _markup(text: str) -> frozenset[str]:
    """What XML and HTML are: by their root, and by what makes a program of a page."""
    found = set()
    seen = set(_IN_MARKUP.Match(text) or ())
    if _APPLICATION in seen or _SCRIPTED in seen:
        found.add("windows-script")
    if _MACROS in seen:
        found.add("office-macros")
    root = _root(text)
    if root in _HOSTED and _HOSTED_TOO in seen:
        found.add("windows-script")
    elif root == "assembly" and _CLICK_ONCE in seen:
        found.add("windows-settings")
    elif root in _BY_ROOT:
        found.add(_BY_ROOT[root])
    elif root in _HYPERTEXT or _DOCTYPE.search(text[:1024]):
        found.add("web-page")
    elif _OFFICE in seen:
        found.add("document")
    return frozenset(found or {"data"})


def _root(text: str) -> str:
    """The local name of the first element, in lower case; "" without one."""
    at = 0
    while skipped := _MARKUP_SKIPPED.match(text, at):
        at = skipped.end()
    element = _ELEMENT.match(text, at)
    return element[1].lower() if element else ""


def _by_start(text: str, declared: Declared) -> frozenset[str]:
    """What the first characters say; of what a page uses, and nobody opens, a script alone."""
    if not text.startswith("#") and _is_of_a_page(declared):
        return frozenset()
    return frozenset(each for each, start in _STARTS if start.match(text))


def _is_of_a_page(declared: Declared) -> bool:
    kind = declared.content_type
    return not declared.attachment and (kind in _OF_PAGES or kind.endswith("+json"))


def _by_content(text: str, declared: Declared) -> frozenset[str]:
    """Scripts and mail that no first character tells."""
    if _FIELD.match(text):
        return frozenset({"e-mail", "office-macros"} if _OFFICE_MAIL.search(text) else {"e-mail"})
    if _is_of_a_page(declared):
        return frozenset()  # runs in the page, where no Script Host is
    seen = set(_SIGNS.Match(text) or ())
    if seen & _IS_PROSE or not declared.endings.isdisjoint(_PROSE_ENDINGS):
        return frozenset()
    if _IS_BATCH in seen and _BATCH_HERE.search(text[:_BATCH_START]):
        return frozenset({"windows-script"})
    if seen & _IS_SCRIPT or seen >= _IS_BASIC or len(seen & _IS_POWERSHELL) > 1:
        return frozenset({"windows-script"})
    return frozenset()


def _ordinary(text: str, declared: Declared) -> str:
    """Which kind of ordinary text: what is said of it may decide, for nothing hangs on it."""
    kind, endings = declared.content_type, declared.endings
    if kind in _SCRIPT_TYPES or not endings.isdisjoint(_SCRIPT_ENDINGS):
        return "web-script"
    if kind == "text/css" or "css" in endings:
        return "style-sheet"
    if kind.endswith(("json", "xml", "/csv")) or not endings.isdisjoint(_DATA_ENDINGS):
        return "data"
    if text.lstrip()[:1] in {"{", "["} or text.startswith(("BEGIN:", "-----BEGIN ", "#EXTM3U")):
        return "data"
    if kind == "text/html":
        return "web-page"
    return "text"
