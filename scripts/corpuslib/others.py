"""Other detectors of file types, for the table of docs/adr/0021-file-types.md.

In: the first bytes of a body. Out: what each calls it.
Must never: be imported by the gateway.

Each is asked for a media type, and for a description where it has one; both are searched for the
words by which it calls software. That is generous: an answer counts even where it is the name of a
family of formats.
"""

from __future__ import annotations

import importlib
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_WORDS = (
    "dosexec msdownload portable-executable PE32 msdos ms-dos batch powershell vbscript x-vbs",
    r"wsf script-host hta\b x-hta ms-regedit registry windows.reg x-ms-shortcut lnk shortcut",
    r"x-msi msix windows-installer msi\b appx nuget chm htmlhelp html.help mswinurl \bexe\b",
    r"\bdll\b macroenabled x-executable pie-executable executable sharedlib x-object \belf\b",
    r"appimage debian x-rpm redhat squashfs snap flatpak \bdeb\b \brpm\b mach x-xar xar\b pkg",
    r"x-ios ipa\b shell.?script text/x-sh x-bash x-script perl x-python x-ruby \bsh\b \bps1\b",
    r"\bbat\b \bvbs\b java-archive java-applet java-vm x-java java.?class jnlp \bjar\b x-dex",
    r"dalvik android \bapk\b python-bytecode bytecode.python byte-compiled pyc wheel crx xpi",
    "chrome-extension vba torrent iso9660 iso.9660 udf disk.image diskimage x-dmg apple-disk",
    r"\bdmg\b qemu qcow vmdk vhd vdi virtualbox wim boot.sector partition",
)
SOFTWARE = re.compile("|".join(" ".join(_WORDS).split()), re.IGNORECASE)
"""Words by which detectors call software."""


def detectors() -> dict[str, Callable[[bytes], str]]:
    """Those that are installed, each by a function from bytes to what it says."""
    found: dict[str, Callable[[bytes], str]] = {}
    for name, make in _MAKERS.items():
        try:
            found[name] = make()
        except (ImportError, OSError, AttributeError):
            continue
    return found


def detectors_of(name: str) -> Callable[[bytes], str]:
    """One of them."""
    return _MAKERS[name]()


def _libmagic() -> Callable[[bytes], str]:
    magic: Any = importlib.import_module("magic")
    kinds, words = magic.Magic(mime=True), magic.Magic()
    return lambda head: f"{kinds.from_buffer(head)} {words.from_buffer(head)}"


def _static_magic() -> Callable[[bytes], str]:
    module: Any = importlib.import_module("static_magic")
    return lambda head: f"{module.get_mime_type_bytes(head)} {module.get_description_bytes(head)}"


def _pure_magic_rs() -> Callable[[bytes], str]:
    module: Any = importlib.import_module("pure_magic_rs")
    database = module.MagicDb()

    def ask(head: bytes) -> str:
        best = database.best_magic_buffer(head, None)
        return f"{best.mime_type} {best.message} {' '.join(best.extensions)}"

    return ask


def _puremagic() -> Callable[[bytes], str]:
    module: Any = importlib.import_module("puremagic")

    def ask(head: bytes) -> str:
        try:
            best = module.magic_string(head)
        except (module.PureError, ValueError):
            return "unknown"
        return f"{best[0].mime_type} {best[0].name} {best[0].extension}" if best else "unknown"

    return ask


def _filetype() -> Callable[[bytes], str]:
    module: Any = importlib.import_module("filetype")

    def ask(head: bytes) -> str:
        best = module.guess(head)
        return "unknown" if best is None else f"{best.mime} {best.extension}"

    return ask


def _magical() -> Callable[[bytes], str]:
    module: Any = importlib.import_module("magical_py")

    return lambda head: str(module.detect_bytes(head))


def _magika() -> Callable[[bytes], str]:
    module: Any = importlib.import_module("magika")
    model = module.Magika()

    def ask(head: bytes) -> str:
        output = model.identify_bytes(head).output
        return f"{output.mime_type} {output.label} {output.description}"

    return ask


_MAKERS = {
    "python-magic": _libmagic,
    "static-magic": _static_magic,
    "pure-magic-rs": _pure_magic_rs,
    "puremagic": _puremagic,
    "filetype": _filetype,
    "magical-py": _magical,
    "magika": _magika,
}
