"""What publishers of lists write beside them: checksums, signatures; and `sources.yaml`, by us.

In: bytes, the first of which says what they are. Out: nothing, or an exception (a finding).
Must never: contact anybody.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from pathlib import Path

from proxy_addons.categorisation.updates.checksums import ChecksumError, wanted_of
from proxy_addons.categorisation.updates.minisign import PublicKey, SignatureError
from proxy_addons.categorisation.updates.sourcesfile import read_sources_file
from proxy_addons.settings.problems import SettingsError

_FOLDER = tempfile.TemporaryDirectory(prefix="fuzz-publishers.")
_FILE = Path(_FOLDER.name) / "list.txt"
_FILE.write_bytes(b"ads/domains\n")
_SOURCES = Path(_FOLDER.name) / "sources.yaml"
_KEY = PublicKey.parse("RWRRkRsMJiWjPFbhQLwi6wu9HPBqdQPS56f3+fhj5PyFgT9llZZmQwr0")
_SIGNED = b"""\
untrusted comment: signature from minisign secret key
RURRkRsMJiWjPBVH9gpiXNg0uj8MDlm9LBLlcqSp26fP+ZqFnU+3QeJBeL897N8Ruffdc4Vn3Us521A8fREgVVCp1/pEWYQ1Kw4=
trusted comment: a list of 2026-11-23
5rhBH+Y9++PNvtAd8+5I8Vbrb+DDaEHE54xU3Kd4LZeVgn97s0So56d/gvPf5PR+mvXc+7j8FIjeyJmFzkp6Aw==
"""
_OURS = Path(__file__).parents[2] / "categories" / "sources.yaml"


def seeds() -> tuple[bytes, ...]:
    """What minisign made; files of checksums in both forms; our own file of sources."""
    return (
        b"m" + _SIGNED,
        b"c" + b"a" * 32 + b"  list.txt\n" + b"b" * 64 + b" *other.txt\n",
        b"cSHA256 (list.txt) = " + b"c" * 64 + b"\n",
        b"c" + b"d" * 128,
        b"s" + _OURS.read_bytes(),
    )


def words() -> tuple[bytes, ...]:
    """Pieces of these."""
    return (
        b"list.txt", b" *", b"SHA512 (", b") = ", b"a" * 32, b"b" * 64, b"trusted comment: ",
        b"RUR", b"==", b"url: ", b"https://", b"hold_back: {", b"loses: 20%", b"- name: a\n", b"\n",
    )  # fmt: skip


def check(data: bytes) -> None:
    """A digest is that of a line; a signature that is believed is the one that was made."""
    kind, rest = data[:1], data[1:]
    if kind == b"c":
        _checksums(rest.decode("utf-8", "replace"))
    elif kind == b"m":
        _signature(rest)
    else:
        _sources(rest)


def _checksums(text: str) -> None:
    try:
        algorithm, digest = wanted_of(text, "list.txt")
    except ChecksumError:
        return  # refused, as it may be
    assert len(bytes.fromhex(digest)) == hashlib.new(algorithm).digest_size
    lines = [line for line in text.splitlines() if digest in line.lower()]
    assert any("list.txt" in line or re.fullmatch(r"\s*\\?\w+\s*", line) for line in lines), text


def _signature(data: bytes) -> None:
    try:
        _KEY.check(_FILE, data)
    except SignatureError:
        return  # refused, as it may be
    # Only what does not count may differ: the first line, and white space.
    ours, theirs = _SIGNED.split(b"\n", 1)[1].split(), data.split(b"\n", 1)[1].split()
    assert ours == theirs, data


def _sources(data: bytes) -> None:
    _SOURCES.write_bytes(data)
    try:
        found = read_sources_file(_SOURCES)
    except SettingsError:
        return  # refused, as it may be
    for source in found.sources:
        assert source.url.startswith(("http://", "https://", "/"))
        assert "@" not in source.url
        assert 0 < source.timeout <= 3600
        assert 0 < source.max_size <= 1 << 30
