"""What endings of names and media types claim a body to be.

In: what is declared of a body. Out: ids of policy/findings.py that it claims.
Must never: be taken for what a body is where the body itself tells (content/types.py decides).

A script has no signature: its name is what makes a client run it. The same holds for images of
disks without a header, and for whatever the bytes do not show.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy_addons.content.declared import Declared


def _each(**groups: str) -> dict[str, str]:
    """Endings by the id that they claim, `_` for `-`."""
    return {
        ending: identity.replace("_", "-")
        for identity, endings in groups.items()
        for ending in endings.split()
    }


SCRIPTS: Final[Mapping[str, str]] = _each(
    # What Windows runs by its name: Script Host, PowerShell, cmd, mshta, AutoHotkey, AutoIt.
    windows_script="ps1 psm1 psd1 ps1xml pssc psc1 cdxml bat cmd btm vbs vbe jse wsf wsh wsc sct"
    " hta ahk au3",
    windows_settings="reg inf application appref-ms appinstaller msc rdp settingcontent-ms"
    " library-ms search-ms searchconnector-ms theme",
    windows_shortcut="url website scf",
    shell_script="sh bash zsh ksh csh tcsh fish command desktop applescript",
    java_program="jnlp",
)
"""Endings that make text a script, whatever is said of it besides."""

SAVED_SCRIPTS: Final[Mapping[str, str]] = _each(
    windows_script="js",
    shell_script="py pyw pl rb tcl lua scpt",
)
"""Endings that do so where it is to be saved: a page's own script, or source code that is only
looked at, is none."""

SOFTWARE: Final[Mapping[str, str]] = _each(
    windows_program="exe dll sys scr cpl ocx drv efi mui ax",
    dos_program="pif",
    windows_installer="msi msp mst msix msixbundle appx appxbundle",
    windows_help="chm hlp",
    windows_shortcut="lnk",
    office_add_in="xll xlam ppam xla ppa wll",
    macos_disk_image="dmg sparseimage",
    macos_package="pkg mpkg",
    disk_image="iso img ima vhd vhdx vmdk qcow qcow2 vdi wim esd vfd toast nrg mdf",
    linux_program="appimage elf ko",
    linux_package="deb udeb rpm snap flatpak",
    android_package="apk apks xapk aab dex",
    ios_package="ipa",
    java_program="jar war ear class jmod",
    browser_extension="crx xpi",
    python_package="whl egg pyc pyo pyz",
    torrent="torrent",
)
"""Endings of software that is no text: for bodies of which the bytes say nothing."""

_MEDIA_TYPES: Final[Mapping[str, str]] = {
    "application/x-msdownload": "exe",
    "application/x-msdos-program": "exe",
    "application/x-dosexec": "exe",
    "application/vnd.microsoft.portable-executable": "exe",
    "application/x-ms-installer": "msi",
    "application/x-msi": "msi",
    "application/msix": "msix",
    "application/appx": "appx",
    "application/x-ms-shortcut": "lnk",
    "application/vnd.ms-htmlhelp": "chm",
    "application/x-ms-application": "application",
    "application/hta": "hta",
    "text/vbscript": "vbs",
    "application/x-vbs": "vbs",
    "text/scriptlet": "sct",
    "application/x-bat": "bat",
    "application/bat": "bat",
    "application/x-powershell": "ps1",
    "text/x-powershell": "ps1",
    "text/x-ms-regedit": "reg",
    "application/x-sh": "sh",
    "text/x-sh": "sh",
    "application/x-shellscript": "sh",
    "text/x-shellscript": "sh",
    "application/x-csh": "csh",
    "application/x-apple-diskimage": "dmg",
    "application/x-newton-compatible-pkg": "pkg",
    "application/x-iso9660-image": "iso",
    "application/x-executable": "elf",
    "application/x-elf": "elf",
    "application/x-debian-package": "deb",
    "application/vnd.debian.binary-package": "deb",
    "application/x-rpm": "rpm",
    "application/x-redhat-package-manager": "rpm",
    "application/vnd.snap": "snap",
    "application/vnd.flatpak": "flatpak",
    "application/vnd.android.package-archive": "apk",
    "application/x-itunes-ipa": "ipa",
    "application/java-archive": "jar",
    "application/x-java-archive": "jar",
    "application/java-vm": "class",
    "application/x-java-jnlp-file": "jnlp",
    "application/x-chrome-extension": "crx",
    "application/x-xpinstall": "xpi",
    "application/x-python-code": "pyc",
    "application/x-bittorrent": "torrent",
}
"""Media types, as the ending that a client would give them."""

_ALSO_OF_SERVERS: Final = frozenset({"cmd", "command", "application", "url", "inf", "theme"})
"""Endings that addresses of programs on servers have as well: `/order.cmd?item=3`."""
_SHOWN: Final = frozenset({"text/html", "application/xhtml+xml"})
_USED_IN_PAGES: Final = (
    *("image/", "audio/", "video/", "font/", "text/html", "text/css", "text/xml"),
    *("text/javascript", "application/javascript", "application/x-javascript"),
    *("application/json", "application/xml", "application/xhtml+xml", "application/pdf"),
)
_ALWAYS: Final = frozenset(SCRIPTS) | frozenset(SOFTWARE)
_SAVED: Final = frozenset(SAVED_SCRIPTS)


def claims_nothing(declared: Declared) -> bool:
    """Whether neither name nor type claims software: most bodies; in well under a microsecond."""
    endings = declared.endings
    return (
        endings.isdisjoint(_ALWAYS)
        and not (declared.attachment and not endings.isdisjoint(_SAVED))
        and declared.content_type not in _MEDIA_TYPES
    )


def endings_of(declared: Declared) -> frozenset[str]:
    """Endings of its names, and the one that goes with its type."""
    ending = _MEDIA_TYPES.get(declared.content_type)
    return declared.endings if ending is None else declared.endings | {ending}


def claimed_scripts(declared: Declared) -> frozenset[str]:
    """What it claims to be if it is text."""
    endings = endings_of(declared)
    found = {
        SCRIPTS[ending]
        for ending in endings
        if ending in SCRIPTS and not (ending in _ALSO_OF_SERVERS and is_used_in_pages(declared))
    }
    if declared.attachment:
        found |= {SAVED_SCRIPTS[ending] for ending in endings if ending in SAVED_SCRIPTS}
    return frozenset(found)


def claimed_whatever_it_is(declared: Declared) -> frozenset[str]:
    """What it claims to be even if its bytes are of something else.

    What is saved as a script is run as one: cmd and mshta pass over what they do not understand, so
    that a picture may be both.
    """
    if is_used_in_pages(declared) and "hta" not in endings_of(declared):
        return frozenset()
    return claimed_scripts(declared)


def claimed_software(declared: Declared) -> frozenset[str]:
    """What it claims to be if it is no text."""
    return frozenset(SOFTWARE[each] for each in endings_of(declared) if each in SOFTWARE)


def is_shown(declared: Declared) -> bool:
    """Whether a browser shows it as a page, and does not save it under its name."""
    return declared.content_type in _SHOWN and not declared.attachment


def is_used_in_pages(declared: Declared) -> bool:
    """Whether a browser shows it or uses it in a page."""
    return not declared.attachment and declared.content_type.startswith(_USED_IN_PAGES)
