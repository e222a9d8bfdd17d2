"""Files of checksums: the digest of the file that is meant, or none."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_addons.categorisation.updates.checksums import ChecksumError, pinned, wanted_of

MD5, SHA256, SHA512 = "a" * 32, "b" * 64, "c" * 128
OTHER = "d" * 64


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"{MD5}  ads.tar.gz\n{MD5.replace('a', 'e')}  list.tar.gz\n", ("md5", "e" * 32)),
        (f"{SHA256} *list.tar.gz\r\n", ("sha256", SHA256)),
        (f"{SHA256.upper()}  ./down/list.tar.gz", ("sha256", SHA256)),
        (f"SHA512 (list.tar.gz) = {SHA512}", ("sha512", SHA512)),
        (f"{SHA256}\n", ("sha256", SHA256)),
        (f"{MD5}  list.tar.gz\n{SHA256}  list.tar.gz\n", ("sha256", SHA256)),
        (f"# made today\n\n{SHA256}  list.tar.gz\n{SHA256}  list.tar.gz", ("sha256", SHA256)),
    ],
)
def test_the_digest_of_the_file(text: str, found: tuple[str, str]) -> None:
    assert wanted_of(text, "list.tar.gz") == found


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "has no MD5"),
        ("<html>not found</html>", "has no MD5"),
        (f"{SHA256}  other.tar.gz", "has no MD5"),
        (f"{SHA256}  list.tar.gz.old", "has no MD5"),
        (f"{'f' * 40}  list.tar.gz", "has no MD5"),  # SHA-1
        (f"{SHA256}  list.tar.gz\n{OTHER}  list.tar.gz", "more than one sha256"),
    ],
)
def test_none_is_said(text: str, says: str) -> None:
    with pytest.raises(ChecksumError, match=says):
        wanted_of(text, "list.tar.gz")


def test_pinned() -> None:
    assert pinned(f"sha256:{SHA256}") == ("sha256", SHA256)
    assert pinned("https://lists.test/SHA256SUMS") is None
    assert pinned("/srv/SHA256SUMS") is None


@given(st.text(max_size=300))
def test_no_text_is_more_than_refused(text: str) -> None:
    try:
        algorithm, digest = wanted_of(text, "list")
    except ChecksumError:
        return
    assert len(bytes.fromhex(digest)) == hashlib.new(algorithm).digest_size
