"""The lines of one segment.

In: a force, a part of the plan, a seed. Out: lines as a worker writes them, in their order.
Must never: give other lines for the same arguments.

Made of parts that were rendered once for each person and site: 20 million records shall not take
an hour.
"""

from __future__ import annotations

import random
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING

from proxy_addons.accesslog.reference import References
from proxy_addons.accesslog.segment import ENDED_MODE, SegmentName
from recordslib.force import Force

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from recordslib.plan import Part

_HOUR = 3600
_AT_ONCE = 8192
_LONG = 50
"""One of so many lasts long enough to have an opening record."""
_PATHS = (b"", b"index.html", b"search?q=rota", b"api/v1/items", b"images/logo.png", b"news/latest")


def lines(force: Force, part: Part, seed: int) -> Iterator[bytes]:
    """Lines without their newlines."""
    chance = random.Random(f"{seed} {part.hour} {part.worker}")  # noqa: S311 (it must repeat itself)
    references = References(part.worker, entropy=lambda _: b"\0\0")
    bits, choice, sites = chance.getrandbits, chance.random, force.sites
    ahead = int(part.begins.timestamp())
    everybody = list(accumulate(force.weights[part.begins.hour]))
    seq, end = part.first_seq, part.first_seq + part.records
    worker, stamp, second_before = part.worker, "", -1
    moments = sorted(choice() * _HOUR for _ in range(part.records))
    people = chance.choices(force.people, cum_weights=everybody, k=part.records)
    for moment, person in zip(moments, people, strict=True):
        if seq >= end:
            return
        second = int(moment)
        if second != second_before:
            second_before = second
            stamp = f"{part.begins:%Y-%m-%dT%H}:{second // 60:02d}:{second % 60:02d}"
        drawn = bits(64)
        site = sites[person.habits[drawn & 255]]
        octets, path = (drawn >> 8 & 0xFFFF) * (drawn >> 24 & 7), _PATHS[(drawn >> 27 & 15) % 6]
        if drawn >> 31 & 3 == 0:
            path = b"%s/%x" % (path, drawn >> 33 & 0xFFFFF)
        number, start = references.next(ahead + second), f"{stamp}.{int(moment % 1 * 1e6):06d}Z"
        blocked = site.kind.action == "block"
        before = b"%s%d%s" % (person.known, 1024 + (drawn >> 53 & 0x7FF) * 16, site.before)
        before = before + path + site.middle if site.middle else before
        if (drawn >> 40) % _LONG == 0 and not blocked and seq + 1 < end:
            head = _head("open", number, worker, seq, start, 5_000.5)
            yield b'%s%s%d,"bytes_up":%d,"bytes_down":%d%s' % (
                *(head, before, 200, 512, 0, site.after),
            )
            seq += 1
            lasted = 6_000.0 + octets / 10
        else:
            lasted = (drawn >> 44 & 0x3FF) + 0.25
        yield b'%s%s%d,"bytes_up":%d,"bytes_down":%d%s' % (
            _head("transaction", number, worker, seq, start, lasted),
            *(before, 403 if blocked else 200, 0 if blocked else 300 + (drawn >> 50 & 1023)),
            *(5_120 if blocked else octets, site.after),
        )
        seq += 1


def _head(event: str, number: str, worker: int, seq: int, start: str, lasted: float) -> bytes:
    return (
        f'{{"schema":1,"event":"{event}","id":"{number}","worker":{worker},"seq":{seq}'
        f',"start":"{start}","duration_ms":{lasted}'
    ).encode()


def write(folder: Path, force: Force, part: Part, seed: int) -> Path:
    """Write the segment of a part, ended as a worker ends it.

    Raises:
        OSError: it could not be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / str(SegmentName(part.hour, part.worker, 1))
    path.unlink(missing_ok=True)
    several: list[bytes] = []
    with path.open("wb") as file:
        for line in lines(force, part, seed):
            several.append(line.removesuffix(b"\n"))
            if len(several) == _AT_ONCE:
                file.write(b"\n".join((*several, b"")))
                several.clear()
        file.write(b"\n".join((*several, b"")))
    path.chmod(ENDED_MODE)
    return path


def write_part(folder: Path, people: int, part: Part, seed: int) -> Path:
    """The same in a process of its own, which makes the force once."""
    return write(folder, _force(people, seed), part, seed)


@cache
def _force(people: int, seed: int) -> Force:
    return Force(people, seed)
