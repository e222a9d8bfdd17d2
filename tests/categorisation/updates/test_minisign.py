"""minisign: signatures that the program itself made (version 0.11), and what is near them."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_addons.categorisation.updates.minisign import PublicKey, SignatureError

if TYPE_CHECKING:
    from pathlib import Path

KEY = PublicKey.parse("RWRRkRsMJiWjPFbhQLwi6wu9HPBqdQPS56f3+fhj5PyFgT9llZZmQwr0")
FILE = b"ads/domains\n"
HASHED = """\
untrusted comment: signature from minisign secret key
RURRkRsMJiWjPBVH9gpiXNg0uj8MDlm9LBLlcqSp26fP+ZqFnU+3QeJBeL897N8Ruffdc4Vn3Us521A8fREgVVCp1/pEWYQ1Kw4=
trusted comment: a list of 2026-11-23
5rhBH+Y9++PNvtAd8+5I8Vbrb+DDaEHE54xU3Kd4LZeVgn97s0So56d/gvPf5PR+mvXc+7j8FIjeyJmFzkp6Aw==
"""
PLAIN = """\
untrusted comment: signature from minisign secret key
RWRRkRsMJiWjPCjn42goC0rj6ff2GI91+VGKaGLjXvAaAiR/BVVzKGbwzTG5qqIZTXpkMXHNpcNuNck/P4O7PlwSyUaPnPtZvwI=
trusted comment: an older one
5YPjH+mY1Ci6D4qfODwwo7mR/neJ3nZgZMfWmzCjJgwmOuuOsTk2o9Gs3nJgtl0TdD2amZEbTqH3iEEuogcSDA==
"""


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("minisign") / "list.txt"
    path.write_bytes(FILE)
    return path


@pytest.mark.parametrize("text", [HASHED, PLAIN, HASHED.replace("\n", "\r\n"), HASHED.rstrip()])
def test_what_minisign_signed_is_believed(text: str, signed: Path) -> None:
    KEY.check(signed, text.encode())


@pytest.mark.parametrize("text", [HASHED, PLAIN])
@pytest.mark.parametrize("content", [b"", FILE + b"\n", FILE.upper()])
def test_another_file_is_not(text: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(content)
    with pytest.raises(SignatureError, match="does not fit the file"):
        KEY.check(path, text.encode())


def test_the_trusted_comment_is_signed(signed: Path) -> None:
    with pytest.raises(SignatureError, match="does not fit"):
        KEY.check(signed, HASHED.replace("2026-11-23", "2027-11-23").encode())


def test_another_key_is_said(signed: Path) -> None:
    other = PublicKey(bytes(8), KEY.octets)
    with pytest.raises(SignatureError, match="by another key"):
        other.check(signed, HASHED.encode())


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff\n\n\n", b"a\nb\nc\nd", HASHED.split("\n", 1)[1].encode(), HASHED.encode() * 2],
)
def test_what_has_another_form_is_refused(data: bytes, signed: Path) -> None:
    with pytest.raises(SignatureError, match="not in minisign's form"):
        KEY.check(signed, data)


@given(spot=st.integers(0, 73), change=st.integers(1, 255), line=st.sampled_from([1, 3]))
def test_no_altered_octet_passes(spot: int, change: int, line: int, signed: Path) -> None:
    lines = HASHED.splitlines()
    octets = bytearray(base64.b64decode(lines[line]))
    octets[spot % len(octets)] ^= change
    lines[line] = base64.b64encode(octets).decode()
    with pytest.raises(SignatureError):
        KEY.check(signed, "\n".join(lines).encode())
