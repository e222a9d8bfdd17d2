"""HTTP/2 by frames: heads that no library would send, and what comes back.

In: header lists as the table has them. Out: one answer for each stream.
Must never: check or mend what is sent.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import hpack
from hyperframe.frame import (
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PushPromiseFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from proxy_addons.selftest.observed import Answer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proxy_addons.selftest.stream import Stream

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_ENABLE_CONNECT = 8  # RFC 8441 3

type Head = tuple[tuple[str, str], ...]


def exchange(
    stream: Stream, requests: Sequence[tuple[Head, str | None]], patience: float
) -> tuple[list[Answer], bool]:
    """Send requests on streams 1, 3, 5 ..., each when the one before has been answered.

    Args:
        stream: TLS that agreed on h2.
        requests: head and body of each; a body of None leaves the stream open.
        patience: seconds for each answer.

    Returns:
        The answers that came, and whether the connection ended.
    """
    side = _Side(stream)
    answers = []
    for number, (head, body) in enumerate(requests):
        stream_id = 2 * number + 1
        side.ask(stream_id, head, body)
        answer = side.answer(stream_id, patience, open_ended=body is None)
        if answer is not None:
            answers.append(answer)
        if side.ended:
            break
    return answers, side.ended


class _Side:
    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._encoder, self._decoder = hpack.Encoder(), hpack.Decoder()
        self._buffer = b""
        self._heads: dict[int, dict[str, str]] = {}
        self._bodies: dict[int, bytes] = {}
        self._over: set[int] = set()
        self.ended = False
        settings = SettingsFrame(settings={SettingsFrame.ENABLE_PUSH: 0, _ENABLE_CONNECT: 1})
        stream.send(PREFACE + settings.serialize())

    def ask(self, stream_id: int, head: Head, body: str | None) -> None:
        fields = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in head]
        frame = HeadersFrame(stream_id, flags=["END_HEADERS"])
        frame.data = self._encoder.encode(fields, huffman=False)
        if body == "":
            frame.flags.add("END_STREAM")
        sent = frame.serialize()
        if body:
            data = DataFrame(stream_id, body.encode("latin-1"), flags=["END_STREAM"])
            sent += data.serialize()
        self._stream.send(sent)

    def answer(self, stream_id: int, patience: float, *, open_ended: bool) -> Answer | None:
        """The answer on a stream; where our side stays open, its head is enough."""
        until = time.monotonic() + patience
        while not self.ended and stream_id not in self._over:
            if open_ended and stream_id in self._heads:
                break
            data = self._stream.receive(until)
            if data is None:
                break
            if not data:
                self.ended = True
            self._buffer += data
            self._read()
        head = self._heads.get(stream_id)
        if head is None:
            return Answer(0, {}) if stream_id in self._over else None
        status = head.get(":status", "0")
        return Answer(int(status), head, self._bodies.get(stream_id, b""))

    def _read(self) -> None:
        while len(self._buffer) >= 9:
            frame, length = Frame.parse_frame_header(memoryview(self._buffer[:9]))
            if len(self._buffer) < 9 + length:
                return
            frame.parse_body(memoryview(self._buffer[9 : 9 + length]))
            self._buffer = self._buffer[9 + length :]
            self._note(frame)

    def _note(self, frame: Frame) -> None:
        if isinstance(frame, HeadersFrame):
            fields = self._decoder.decode(frame.data, raw=True)
            self._heads[frame.stream_id] = {
                bytes(name).decode("latin-1"): bytes(value).decode("latin-1")
                for name, value in fields
            }
        elif isinstance(frame, DataFrame):
            body = self._bodies.get(frame.stream_id, b"")
            self._bodies[frame.stream_id] = body + frame.data
            if frame.data:
                size = len(frame.data)
                windows = [WindowUpdateFrame(each, size) for each in (0, frame.stream_id)]
                self._stream.send(b"".join(each.serialize() for each in windows))
        elif isinstance(frame, SettingsFrame) and "ACK" not in frame.flags:
            self._stream.send(SettingsFrame(flags=["ACK"]).serialize())
        elif isinstance(frame, PingFrame) and "ACK" not in frame.flags:
            self._stream.send(PingFrame(0, frame.opaque_data, flags=["ACK"]).serialize())
        elif isinstance(frame, RstStreamFrame):
            if frame.stream_id not in self._over:
                self._heads.pop(frame.stream_id, None)  # broken off: it is no answer
            self._over.add(frame.stream_id)
        elif isinstance(frame, GoAwayFrame | PushPromiseFrame):
            self.ended = True
        if "END_STREAM" in frame.flags:
            self._over.add(frame.stream_id)
