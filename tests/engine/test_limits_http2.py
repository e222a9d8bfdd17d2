"""Limits of HTTP/2: frames, heads, streams, and streams that keep us waiting, one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import hpack
import pytest
from hyperframe.frame import ContinuationFrame, DataFrame, HeadersFrame, SettingsFrame
from support.certificates import tls_with
from support.http2 import Http2, speaking
from support.stage import answering, request_head
from support.waiting import until

from proxy_addons.engine.pace import Wait
from proxy_addons.engine.wires import Hold

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from support.client import Client
    from support.stage import Stage

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SettingsFrame(0).serialize()
LIMITS = {
    "head_bytes": 16384, "head_fields": 20, "url_bytes": 1000, "http2_streams": 3,
    "head_timeout": 30, "first_byte_timeout": 120, "body_timeout": 60,
}  # fmt: skip
HEAD = [(":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", "allowed.test")]


@pytest.fixture
async def stage(stage_with: Callable[..., Any]) -> Stage:
    made: Stage = await stage_with({"tls": {"http2": True}, "limits": LIMITS})
    return made


async def raw(stage: Stage, sent: bytes) -> Client:
    """A client that sends frames of its own making."""
    client = await stage.tunnel("allowed.test", alpn=("h2",))
    client.send(PREFACE + sent)
    return client


def look(stage: Stage, *seconds: float) -> None:
    for second in seconds:
        for driver in stage.drivers:
            driver.sweep(second)


async def waits(stage: Stage, what: Wait, number: int = 1) -> None:
    """Until so many waits of a kind run."""
    await until(
        lambda: sum(each is what for d in stage.drivers for each, _ in d._pace._since) == number
    )


def head(fields: list[tuple[str, str]], *flags: str) -> bytes:
    frame = HeadersFrame(1, hpack.Encoder().encode(fields), flags=flags)
    return bytes(frame.serialize())


# --- sizes ------------------------------------------------------------------------------------

# Only the beginning of a frame that says it has 16 MB less one byte; a DATA frame likewise.
HUGE = b"\xff\xff\xff\x01\x04\x00\x00\x00\x01"
HUGE_DATA = b"\xff\xff\xff\x00\x00\x00\x00\x00\x01"
MANY_PARTS = head(HEAD) + ContinuationFrame(1, b"\x00" * 16000).serialize() * 2
# 16 kB at most; each of these names costs a byte or two on the wire.
BOMB = [*HEAD, ("x-long", "y" * 4000), *[("x-long", "y" * 4000)] * 5]


@pytest.mark.parametrize(
    "sent",
    [HUGE, head(HEAD, "END_HEADERS") + HUGE_DATA, MANY_PARTS, head(BOMB, "END_HEADERS")],
    ids=["a huge frame", "huge data", "a head without end", "a head that unpacks to too much"],
)
async def test_what_is_too_large_ends_the_connection_before_it_has_come(
    stage: Stage, sent: bytes
) -> None:
    stage.roads.places["allowed.test"] = None
    client = await raw(stage, sent)
    await client.ended()
    await stage.quiet()
    records = await stage.end()
    breach = [each for each in records if each["rule"] == "bad-request"]
    assert [each["error"] for each in breach] == ["a breach of the HTTP/2 protocol"]
    assert breach[0]["status"] is None


async def test_more_streams_than_announced_end_the_connection(stage: Stage) -> None:
    stage.roads.places["allowed.test"] = None
    encoder = hpack.Encoder()
    frames = [
        HeadersFrame(number, encoder.encode(HEAD), flags=("END_HEADERS", "END_STREAM")).serialize()
        for number in (1, 3, 5, 7)
    ]
    client = await raw(stage, b"".join(frames[:3]))
    await until(
        lambda: [len(stage.worker._visitors[each.client].open) for each in stage.drivers] == [3]
    )
    client.send(frames[3])
    await client.ended()
    records = await stage.end()
    assert sorted(each["rule"] for each in records) == ["bad-request"] + ["business"] * 3


async def test_what_is_announced(connect: Callable[..., Any], stage: Stage) -> None:
    await stage.secure_origin("allowed.test", script=answering())
    client = await connect()
    assert (await client.answer(client.ask()))[0] == 200
    settings = client.h2.remote_settings
    assert settings.max_concurrent_streams == 3
    assert settings.max_header_list_size == 16384


@pytest.mark.parametrize(
    ("path", "more", "said"),
    [
        ("/" + "x" * 1000, [], "an address of more than 1000 bytes"),
        ("/", [(f"x-{n}", "1") for n in range(21)], "more than 20 header fields"),
    ],
)
async def test_a_head_that_is_too_much_is_refused_with_a_page_and_the_rest_goes_on(
    stage: Stage, connect: Callable[..., Any], path: str, more: list[tuple[str, str]], said: str
) -> None:
    await stage.secure_origin("allowed.test", script=answering())
    client = await connect()
    status, body = await client.answer(
        client.ask(path, "allowed.test", ("accept", "text/html"), *more[:0], *more)
    )
    assert (status, b"<html" in body) == (400, True)
    assert (await client.answer(client.ask()))[0] == 200
    await client.close()
    records = await stage.end()
    (refused,) = [each for each in records if each["rule"] == "bad-request"]
    assert refused["error"] == f"not a sound request: {said}"


# --- time -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent",
    [
        head(HEAD)[:-3],
        head(HEAD),
        head(HEAD) + ContinuationFrame(1, b"").serialize(),
        b"\x00",
    ],
    ids=["half a frame", "no END_HEADERS", "an empty continuation", "a byte"],
)
async def test_a_head_that_takes_too_long_ends_the_connection(stage: Stage, sent: bytes) -> None:
    client = await raw(stage, sent)
    await waits(stage, Wait.HEAD)
    look(stage, 0.0, 29.9)
    assert stage.drivers[0]._why is None
    look(stage, 30.0)
    await client.ended()
    (record,) = await stage.end()
    assert record["error"] == "a request head that took more than 30 s"


async def playing(side: Http2, stream_id: int) -> None:
    """An origin that never answers /never, stops in the body of /stops, and answers the rest."""
    await side.until(lambda: stream_id in side.headers)
    path = side.headers[stream_id][":path"]
    if path == "/never":
        return
    kind = "text/event-stream" if path == "/quiet" else "text/plain"
    side.respond(stream_id, ("content-type", kind))
    await side.send(stream_id, b"hello", end=path not in {"/stops", "/breaks", "/quiet"})
    if path == "/breaks":
        side.h2.reset_stream(stream_id)
        side.flush()


async def play(stage: Stage, origin: str) -> None:
    if origin == "HTTP/2":
        context = tls_with(stage.web.leaf("allowed.test"))
        context.set_alpn_protocols(["h2"])
        await stage.origin("allowed.test", script=speaking(playing), tls=context)
    else:
        await stage.secure_origin("allowed.test", script=playing_http1)


@pytest.mark.parametrize("origin", ["HTTP/1.1", "HTTP/2"])
async def test_events_may_be_quiet_and_nothing_is_left_of_what_breaks(
    stage: Stage, connect: Callable[..., Any], origin: str
) -> None:
    await play(stage, origin)
    client = await connect()
    breaks = client.ask("/breaks")
    await client.until(lambda: breaks in client.reset)
    quiet = client.ask("/quiet")
    await client.until(lambda: client.body[quiet] == b"hello")
    (driver,) = stage.drivers
    await until(lambda: not driver._pace._since)
    look(stage, 0.0, 1e6, 2e6)
    assert quiet not in client.reset
    assert (await client.answer(client.ask("/fine")))[0] == 200
    assert quiet not in client.reset


@pytest.mark.parametrize("origin", ["HTTP/1.1", "HTTP/2"])
async def test_streams_that_take_too_long_end_alone(
    stage: Stage, connect: Callable[..., Any], origin: str
) -> None:
    await play(stage, origin)
    client = await connect()
    never = client.ask("/never", "allowed.test", ("accept", "text/html"))
    fine = client.ask("/fine")
    assert await client.answer(fine) == (200, b"hello")
    await waits(stage, Wait.FIRST_BYTE)
    look(stage, 0.0, 119.9)
    assert never not in client.headers
    look(stage, 120.0)
    status, body = await client.answer(never)
    assert (status, b"<html" in body) == (504, True)
    assert await client.answer(client.ask("/again")) == (200, b"hello")
    stops = client.ask("/stops")
    await client.until(lambda: client.body[stops] == b"hello")
    await waits(stage, Wait.STREAM)
    look(stage, 200.0, 259.9)
    assert stops not in client.reset
    look(stage, 260.0)
    await client.until(lambda: stops in client.reset)
    assert await client.answer(client.ask("/again")) == (200, b"hello")
    await client.close()
    records = {record["url"].rpartition("/")[2]: record for record in await stage.end()}
    assert records["never"]["status"] == 504
    assert records["never"]["error"] == "no answer within 120 s"
    assert records["stops"]["error"] == "no byte of a body for 60 s"
    assert records["again"]["error"] is None


async def playing_http1(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    path = (await request_head(reader)).split(" ")[1]
    if path == "/never":
        await reader.read()
    if path == "/quiet":
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nhello")
        await reader.read()
    length = 9 if path in {"/stops", "/breaks"} else 5
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % length
    writer.write(head + b"hello")
    if path == "/stops":
        await reader.read()
    # What breaks ends here.


async def test_an_upload_that_stops_is_reset_alone(
    stage: Stage, connect: Callable[..., Any]
) -> None:
    async def counting(side: Http2, stream_id: int) -> None:
        await side.until(lambda: stream_id in side.ended)
        side.respond(stream_id)
        await side.send(stream_id, str(len(side.body[stream_id])).encode(), end=True)

    context = tls_with(stage.web.leaf("allowed.test"))
    context.set_alpn_protocols(["h2"])
    await stage.origin("allowed.test", script=speaking(counting), tls=context)
    client = await connect()
    stops = client.ask("/stops", method="PUT", end=False)
    goes_on = client.ask("/goes-on", method="PUT", end=False)
    await client.send(stops, b"abc")
    await client.send(goes_on, b"abc")
    await waits(stage, Wait.STREAM, 2)
    look(stage, 0.0, 50.0)
    await client.send(goes_on, b"abc")
    (driver,) = stage.drivers
    await until(lambda: None in driver._pace._since.values())
    look(stage, 60.0)
    await client.until(lambda: stops in client.reset)
    await client.send(goes_on, b"abc", end=True)
    assert await client.answer(goes_on) == (200, b"9")
    await client.close()
    records = {record["url"].rpartition("/")[2]: record for record in await stage.end()}
    assert records["stops"]["error"] == "no byte of a body for 60 s"
    assert records["stops"]["bytes_up"] == 3
    assert records["goes-on"]["error"] is None


async def test_a_large_frame_that_comes_slowly_is_not_a_body_that_stops(stage: Stage) -> None:
    stage.streams_bodies()
    stage.roads.places["allowed.test"] = None
    frame = DataFrame(1, b"x" * 16384).serialize()
    put = [(":method", "PUT"), *HEAD[1:]]

    async def taking(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    await stage.secure_origin("allowed.test", script=taking)
    client = await raw(stage, head(put, "END_HEADERS"))
    await until(lambda: any(len(driver._wires) == 2 for driver in stage.drivers))
    (driver,) = stage.drivers
    for number in range(10):
        client.send(frame[number * 1000 : (number + 1) * 1000])
        await until(lambda: None in driver._pace._since.values())
        look(stage, 50.0 * number)
        assert None not in driver._pace._since.values()
    look(stage, 509.9)
    assert driver._pace._since
    look(stage, 510.0)
    client.close()
    (record,) = await stage.end()
    assert record["error"] == "no byte of a body for 60 s"


async def test_a_head_is_not_late_while_we_do_not_read_the_client(stage: Stage) -> None:
    client = await raw(stage, HeadersFrame(3, b"x").serialize()[:5])
    await waits(stage, Wait.HEAD)
    (driver,) = stage.drivers
    driver._obey(Hold(driver.client, "a layer", on=True))
    look(stage, 0.0, 1e6, 2e6)
    assert driver._why is None
    driver._obey(Hold(driver.client, "a layer", on=False))
    look(stage, 2e6 + 29.9)
    assert driver._why is None
    look(stage, 2e6 + 30.0)
    await client.ended()
