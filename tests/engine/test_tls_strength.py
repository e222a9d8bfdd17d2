"""What is spoken in TLS and what is not, with openssl's own client and server on the other side."""

from __future__ import annotations

import asyncio
import re
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from support.stage import answering
from support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.certificates import WebAuthority
    from support.stage import Stage

# The other side would speak all of it: what ends the handshake is ours.
EVERYTHING = "ALL:COMPLEMENTOFALL:@SECLEVEL=0"
PIPE = asyncio.subprocess.PIPE


async def s_client(stage: Stage, *options: str, typed: bytes = b"") -> str:
    """What openssl's client says of a connection through the gateway to allowed.test."""
    process = await asyncio.create_subprocess_exec(
        *("openssl", "s_client", "-proxy", f"127.0.0.1:{stage.port}", "-connect"),
        *("allowed.test:443", "-servername", "allowed.test", "-CAfile", str(stage.authority)),
        *options, stdin=PIPE, stdout=PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    said = b""
    async with asyncio.timeout(PATIENCE):
        if typed:
            while b"Verify return code" not in said and (more := await process.stdout.read(4096)):
                said += more
            process.stdin.write(typed)
            await process.stdin.drain()
            while b"error:" not in said and (more := await process.stdout.read(4096)):
                said += more
        process.stdin.close()
        said += await process.stdout.read()
        await process.wait()
    return said.decode(errors="replace")


def spoken(said: str) -> str | None:
    """Version and cipher that were agreed on."""
    found = re.search(r"New, (\S+), Cipher is (?!\(NONE\))(\S+)", said)
    return f"{found[1]} {found[2]}" if found else None


@pytest.mark.parametrize(
    ("options", "agreed"),
    [
        ("-tls1", None),
        ("-tls1_1", None),
        ("-tls1_2", "TLSv1.2 ECDHE-ECDSA-"),
        ("-tls1_3", "TLSv1.3 TLS_"),
        ("-tls1_2 -cipher eNULL:@SECLEVEL=0", None),
        ("-tls1_2 -cipher aNULL:@SECLEVEL=0", None),
        ("-tls1_2 -cipher kRSA:@SECLEVEL=0", None),
        ("-tls1_2 -cipher PSK:@SECLEVEL=0 -psk 00 -psk_identity x", None),
        ("-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256", "TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256"),
        ("-tls1_2 -sigalgs ECDSA+SHA1", None),
    ],
)
async def test_towards_browsers(options: str, agreed: str | None, stage: Stage) -> None:
    given = options.split()
    given += [] if "-cipher" in given else ["-cipher", EVERYTHING]
    said = await s_client(stage, *given)
    assert "CONNECTED" in said
    if agreed is None:
        assert spoken(said) is None, said
        assert "unexpected eof" in said or "alert" in said, "it is the gateway that refuses"
    else:
        assert (spoken(said) or "").startswith(agreed), said
        assert "Verify return code: 0 (ok)" in said


async def test_no_compression_and_no_renegotiation(stage: Stage) -> None:
    said = await s_client(stage, "-tls1_2", "-comp", typed=b"R\n")
    assert "Compression: NONE" in said
    assert "RENEGOTIATING" in said, "it was tried"
    assert "no renegotiation" in said
    # The client ended it with a fatal alert: nothing of it may stay.
    await stage.quiet()


@asynccontextmanager
async def s_server(stage: Stage, web: WebAuthority, *options: str) -> AsyncIterator[None]:
    """Openssl's server in the place of allowed.test."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    leaf = str(web.leaf("allowed.test"))
    process = await asyncio.create_subprocess_exec(
        *("openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", leaf, "-key", leaf),
        *("-www", *options), stdin=PIPE, stdout=PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            await process.stdout.readuntil(b"ACCEPT\n")
        stage.roads.places["allowed.test"] = port
        yield
    finally:
        process.terminate()
        await process.communicate()


@pytest.mark.parametrize(
    ("options", "served"),
    [
        ("-tls1", False),
        ("-tls1_1", False),
        ("-tls1_2", True),
        ("-tls1_3", True),
        ("-tls1_2 -cipher eNULL:@SECLEVEL=0", False),
        ("-tls1_2 -cipher aNULL:@SECLEVEL=0", False),
        ("-tls1_2 -cipher PSK:@SECLEVEL=0 -psk 00", False),
        ("-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256", True),
        ("-tls1_2 -sigalgs ECDSA+SHA1", False),
    ],
)
async def test_towards_servers(
    options: str, served: bool, stage: Stage, web_authority: WebAuthority
) -> None:
    given = options.split()
    given += [] if "-cipher" in given else ["-cipher", EVERYTHING]
    async with s_server(stage, web_authority, *given):
        client = await stage.tunnel("allowed.test")
        reply = await client.get("/", "Host: allowed.test", "Accept: application/json")
        if served:
            assert (reply.status, "Ciphers supported" in reply.text) == (200, True)
        else:
            assert reply.status == 502
            assert '"upstream-tls"' in reply.text
        client.close()
        await stage.quiet()
    (record,) = await stage.end()
    assert (record["status"], bool(record["error"])) == (200, False) if served else (502, True)


async def test_the_other_side_would_speak_the_old_versions(
    stage: Stage, web_authority: WebAuthority
) -> None:
    """Otherwise the refusals above would show nothing."""
    await stage.origin("allowed.test", script=answering())
    async with s_server(stage, web_authority, "-tls1_1", "-cipher", EVERYTHING):
        process = await asyncio.create_subprocess_exec(
            *("openssl", "s_client", "-tls1_1", "-cipher", EVERYTHING, "-connect"),
            f"127.0.0.1:{stage.roads.places['allowed.test']}",
            stdin=asyncio.subprocess.DEVNULL, stdout=PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await process.communicate()
    assert "Protocol  : TLSv1.1" in said.decode()
