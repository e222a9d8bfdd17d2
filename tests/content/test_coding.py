"""Content codings: however a body comes in pieces, it comes out; little never makes much."""

from __future__ import annotations

import contextlib
import gzip
import random
import zlib
from typing import TYPE_CHECKING

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from proxy_addons.content.coding import CodingError, Decoder, acceptable

if TYPE_CHECKING:
    from collections.abc import Callable


def bare(body: bytes) -> bytes:
    writer = zlib.compressobj(wbits=-15)
    return writer.compress(body) + writer.flush()


def zstd(body: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(body)


WAYS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "none": ("", bytes),
    "identity": ("identity", bytes),
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("X-GZIP", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "deflate, bare": ("deflate", bare),
    "br": ("br", brotli.compress),
    "zstd": ("zstd", zstd),
    "two members": ("gzip", lambda body: gzip.compress(body[:7]) + gzip.compress(body[7:])),
    "two frames": ("zstd", lambda body: zstd(body[:7]) + zstd(body[7:])),
    "padded": ("gzip", lambda body: gzip.compress(body) + bytes(512)),
    "two codings": ("gzip, br", lambda body: brotli.compress(gzip.compress(body))),
}


def decoded(coding: str, encoded: bytes, piece: int) -> bytes:
    reader = Decoder(coding)
    pieces = (encoded[at : at + piece] for at in range(0, len(encoded), piece))
    return b"".join(made for each in pieces for made in reader.feed(each))


@pytest.mark.parametrize("way", WAYS)
@given(body=st.binary(max_size=2000), times=st.integers(1, 400), piece=st.integers(1, 5000))
def test_what_was_encoded_comes_out(way: str, body: bytes, times: int, piece: int) -> None:
    coding, encode = WAYS[way]
    assert decoded(coding, encode(body * times), piece) == body * times


@pytest.mark.parametrize(
    "coding", ["compress", "dcb", "aes128gcm", "gzip, dcz", "gzip,gzip,gzip,br"]
)
def test_what_cannot_be_read_is_said(coding: str) -> None:
    with pytest.raises(CodingError):
        Decoder(coding)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_what_is_not_encoded_as_was_said(coding: str) -> None:
    noise = random.Random(5).randbytes(4000)
    with pytest.raises(CodingError, match="not encoded"):
        decoded(coding, b"\xff" + noise, 1000)


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, zstd", "gzip, gzip"])
def test_little_that_stands_for_much_is_given_up(coding: str) -> None:
    body = bytes(300 << 20) if coding != "br" else bytes(200 << 20)
    for name in coding.split(", "):
        encode = {
            "br": lambda b: brotli.compress(b, quality=1),
            "zstd": zstd,
            "gzip": gzip.compress,
        }
        body = encode[name](body)
    assert len(body) < 400_000
    most = 0

    def read() -> None:
        nonlocal most
        for made in Decoder(coding).feed(body):
            most = max(most, len(made))

    with pytest.raises(CodingError, match="far larger"):
        read()
    assert most <= 9 << 20, "so much is in memory at a time"


@given(st.binary(max_size=300), st.sampled_from(["gzip", "deflate", "br", "zstd", "br, gzip"]))
def test_whatever_comes_is_read_or_refused(body: bytes, coding: str) -> None:
    with contextlib.suppress(CodingError):
        decoded(coding, body, 50)


@pytest.mark.parametrize(
    ("field", "left"),
    [
        ("gzip, deflate, br, zstd", "gzip, deflate, br, zstd"),
        ("gzip;q=0.8, dcb, dcz, br;q=1.0", "gzip;q=0.8, br;q=1.0"),
        ("*", "identity"),
        ("compress, *;q=0.1", "identity"),
        ("", "identity"),
        ("identity;q=0, gzip", "identity;q=0, gzip"),
    ],
)
def test_only_what_can_be_read_is_asked_for(field: str, left: str) -> None:
    assert acceptable(field) == left
