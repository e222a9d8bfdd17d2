"""What both verifiers that stand alone share: signatures, trees, places, the entries of a log.

In: a folder, keys that were kept elsewhere. Out: what is not as it was signed.
Must never: import anything but the standard library; write anything.

shipped.py puts pack.py or folder.py behind it, and makes one file of the two: what stands here is
written for whoever reads that file, on Python 3.9.
"""

from __future__ import annotations

import argparse
import base64
import hmac
import io
import json
import re
import sys
from contextlib import suppress
from datetime import datetime, timedelta
from hashlib import sha256, sha512
from pathlib import Path
from typing import Any

WIDTH, EPOCH = 256, datetime(1970, 1, 1)  # noqa: DTZ001 - all are UTC
STAMP = re.compile(r"\d{4}-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{6}Z", re.ASCII)
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D, ROOT = -121665 * pow(121666, -1, P) % P, pow(2, (P - 1) // 4, P)


def point(octets: bytes) -> tuple[int, ...]:
    """The point that 32 octets stand for (RFC 8032, 5.1.3): x, y, z = 1 and x * y."""
    y = int.from_bytes(octets, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if (x * x - square) % P == 0 else x * ROOT % P
    if len(octets) != 32 or y >= P or (x * x - square) % P or (x == 0 and sign):
        raise ValueError("no point of the curve")
    x = x if x & 1 == sign else P - x
    return x, y, 1, x * y % P


def plus(p: tuple[int, ...], q: tuple[int, ...]) -> tuple[int, ...]:
    """The sum of two points (5.1.4)."""
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(number: int, p: tuple[int, ...]) -> tuple[int, ...]:
    """A point, so many times."""
    half = times(number >> 1, plus(p, p)) if number else (0, 1, 1, 0)
    return plus(half, p) if number & 1 else half


def verify(key: bytes, message: bytes, signature: bytes) -> None:
    """See that a signature of a message holds (5.1.7)."""
    s, (x, y, z, t) = int.from_bytes(signature[32:], "little"), point(key)
    h = int.from_bytes(sha512(signature[:32] + key + message).digest(), "little") % L
    x, y, z, t = plus(times(s % L, point(b"\x58" + b"\x66" * 31)), times(h, (P - x, y, z, P - t)))
    x, y = x * pow(z, -1, P) % P, y * pow(z, -1, P) % P
    same = (y + (x % 2 << 255)).to_bytes(32, "little") == signature[:32]
    if not same or s >= L or len(signature) != 64:
        raise ValueError("a signature does not hold")


def signers(note: bytes, keys: set[str]) -> set[str]:
    """Those of some keys that signed a note (C2SP signed-note, tlog-cosignature)."""
    text, _, lines = note.decode().rpartition("\n\n")
    parts, held = re.findall("\u2014 (\\S+) (\\S+)\n", lines), set[str]()
    if "".join(f"\u2014 {who} {said}\n" for who, said in parts) != lines or "\r" in text:
        raise ValueError("not a signed note")
    for key in keys:
        name, public = key.split("+")[0], base64.b64decode(key.split("+", 2)[2], validate=True)
        for said in [base64.b64decode(said, validate=True) for who, said in parts if who == name]:
            at = said[4:12] if public[0] == 4 else b""  # when a witness saw it
            head = f"cosignature/v1\ntime {int.from_bytes(at, 'big')}\n" if at else ""
            if said[:4] == sha256(name.encode() + b"\n" + public).digest()[:4]:
                verify(public[1:], f"{head}{text}\n".encode(), said[4 + len(at) :])
                held.add(key)
    return held


def checkpoint_of(note: bytes, keys: set[str]) -> tuple[int, bytes, set[str]]:
    """Size and root that a checkpoint says, and who signed it: one with the name of its origin."""
    origin, said, root = note.decode().partition("\n\n")[0].split("\n")[:3]
    held, size = signers(note, keys), int(said)
    if origin not in [each.split("+")[0] for each in held] or str(size) != said or size < 0:
        raise ValueError("no checkpoint, or not signed by any key that counts")
    return size, base64.b64decode(root, validate=True), held


def root_of(known: dict[tuple[int, int], bytes], begin: int, end: int) -> bytes:
    """The hash over some leaves (RFC 6962, 2.1) from leaves, and subtrees, that are known."""
    if (begin, end) in known or end - begin < 2:
        return known[begin, end]
    half = begin + (1 << (end - begin - 1).bit_length() - 1)
    return sha256(b"\1" + root_of(known, begin, half) + root_of(known, half, end)).digest()


def tile(level: object, begin: int, end: int) -> str:
    """The path of a tile (C2SP tlog-tiles)."""
    *high, low = [each.zfill(3) for each in f"{begin // WIDTH:,}".split(",")]
    path = "".join(f"x{each}/" for each in high) + low
    return f"tile/{level}/{path}" + ("" if end - begin == WIDTH else f".p/{end - begin}")


def place_of(line: bytes, tags: bytes, index: int) -> bytes:
    """Whose a line is and when it began: tag of the person, microseconds since 1970, its number."""
    who, begun = "", EPOCH
    with suppress(ValueError, AttributeError, RecursionError):  # no record, or no day of a month
        record = json.loads(line.decode())
        person, client, stamp = (record.get(each) for each in ("person", "client_ip", "start"))
        who = f"client:{client}" if isinstance(client, str) else ""
        who = f"person:{person}" if isinstance(person, str) else who
        begun = datetime.fromisoformat(stamp[:-1]) if STAMP.fullmatch(str(stamp)) else EPOCH
    start = max(0, (begun - EPOCH) // timedelta(microseconds=1)).to_bytes(8, "big")
    tag = hmac.digest(tags, who.encode("utf-8", "surrogatepass"), "sha256")
    return tag + start + index.to_bytes(8, "big")


def shown(said: Any, lines: bytes, kept: bytes) -> list[dict[int, bytes]]:
    """Lines and places of a segment, by their numbers, if they are what its manifest says."""
    # `kept` has two trees, from the left: an octet 1 and the nonce of a leaf that is shown (and its
    # place, in the second); or an octet n and the hash of 2**(n-1) leaves that are not, 0 for one.
    reader, rest, found = io.BytesIO(kept), lines.split(b"\n")[::-1], list[dict[int, bytes]]()
    for what, width in (("root", 0), ("places", 48)):
        here, known, at = dict[int, bytes](), {(0, 0): sha256().digest()}, 0
        while at < said["records"]:
            flag, value = reader.read(1)[0], reader.read(32)
            if flag == 1:
                here[at] = reader.read(width) if width else rest.pop()
                value = sha256(b"\0" + value + here[at]).digest()
            begin, at = at, at + (1 << max(flag - 1, 0))
            known[begin, at] = value
        if root_of(known, 0, said["records"]).hex() != said[what]:
            raise ValueError(f"not what was sealed ({what})")
        found.append(here)
    if rest != [b""] or reader.read() or {*map(len, found[1].values())} - {48}:
        raise ValueError("lines or proofs too many")
    return found


class Log:
    """Entries of a log, who signed them, and what is wrong in their folder."""

    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            raise ValueError("no folder: unpack a pack before it is checked")
        self.path, self.entries, self.erased = path, list[bytes](), dict[str, Any]()
        self.wrong, self.known, self.tree = list[str](), set[str](), {(0, 0): sha256().digest()}
        self.names = {e.relative_to(path).as_posix() for e in path.rglob("*") if e.is_file()}

    def see(self, holds: object, what: str) -> None:
        """What is to hold; what is wrong if it does not."""
        if not holds:
            self.wrong.append(what)

    def tried(self, name: str, part: Any, *given: Any) -> Any:
        """What a part of the check finds; whatever goes wrong in there is wrong with a file."""
        try:
            return part(*given)
        except Exception as problem:  # noqa: BLE001 - damaged files make anything of programs
            self.wrong.append(f"{name}: {getattr(problem, 'strerror', None) or repr(problem)}")

    def read(self, name: str) -> bytes:
        """A file of it; none where it cannot be read."""
        self.known.add(name)
        return self.tried(name, (self.path / name).read_bytes) or b""

    def check(self, keys: set[str], witnesses: set[str], seen: list[Any]) -> Any:
        """Check what was signed; segments, and the key that counts."""
        names = sorted(e for e in self.names if re.fullmatch(r"checkpoints/\d{6}/\d{9,}", e))
        size = int(names[-1][19:]) if names else 0
        for at in range(0, min(size, WIDTH * len(self.names)), WIDTH):
            name, found = tile("entries", at, min(at + WIDTH, size)), list[bytes]()
            bundle = io.BytesIO(self.read(name))
            while length := bundle.read(2):
                found.append(bundle.read(int.from_bytes(length, "big")))
            self.see(len(found) == min(WIDTH, size - at), f"{name}: too few entries, or too many")
            self.entries += [*found, *[b""] * WIDTH][: min(WIDTH, size - at)]
        said = [self.tried("tile/entries", json.loads, each) or {} for each in self.entries]
        roots, keys = self.signed([*names, "checkpoint"], said, keys, witnesses)
        self.tree |= {(n, n + 1): sha256(b"\0" + e).digest() for n, e in enumerate(self.entries)}
        for end in range(WIDTH, len(self.entries) + 1, WIDTH):  # what all sizes share
            self.tree[end - WIDTH, end] = root_of(self.tree, end - WIDTH, end)
        for size, root, name in roots + seen:
            same = size <= len(self.entries) and root_of(self.tree, 0, size) == root
            self.see(same, f"tile/entries: the first {size} are not those of {name}")
        self.sizes = {size for size, _, _ in roots if size <= len(self.entries)}
        segments, ends = [e for e in said if e.get("kind") == "segment"], dict[int, int]()
        for each in segments:
            before, first = ends.get(each["worker"], 0), each["first_seq"]
            ends[each["worker"]] = max(before, each["last_seq"])
            gap = each["after_seq"] is not None and not each["late"] and first > before + 1
            told = not gap or each["missing"][:1] == [[before + 1, first - 1]]
            follows = told and (each["after_seq"] or 0) == before
            self.see(follows, f"tile/entries: {each['name']} does not follow, or hides a gap")
        for left in [e for each in said if each.get("kind") == "erasure" for e in each["segments"]]:
            self.erased.setdefault(left["name"], []).append(left)
        return segments, keys

    def signed(self, names: list[str], said: list[Any], keys: set[str], others: set[str]) -> Any:
        """See that keys signed while they counted (both, where one hands over); others the last."""
        turns = [each for each in enumerate(said) if each[1].get("kind") == "key"]
        chain = [each["replaces"] for _, each in turns] + [each["key"] for _, each in turns[-1:]]
        follows = chain[1:] == [each["key"] for _, each in turns] and keys & {*(chain or keys)}
        self.see(follows, "tile/entries: a key that never counted")
        roots, until = list[tuple[int, bytes, str]](), 0
        for name in names:
            found = self.tried(name, checkpoint_of, self.read(name), {*chain} | keys | others)
            size, root, held = found or (int(name[19:] or 0), b"", set[str]())
            before, until = until, sum(at < size for at, _ in turns)
            need = {*chain[before : until + 1]} | (others if name == names[-1] else set())
            self.see(need <= held, f"{name}: not signed by all whose keys count, or by no witness")
            place = f"checkpoints/{size // 1000:06d}/{size:09d}"
            last = names[-2:] == [place, name] and self.read(name) == self.read(place)
            self.see(last or name == place, f"{name}: not the last one, or another than {place}")
            roots.append((size, root, name))
        return roots, {*chain[-1:]} or keys


def main(kind: Any, lists: str) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=kind.__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--key", action="append", required=True, help="name+id+key; repeatable")
    parser.add_argument("--witness", action="append", default=[], help="must have signed too")
    parser.add_argument("--seen", action="append", default=[], type=Path, help="a checkpoint kept")
    args = parser.parse_args()
    try:
        seen = [(*checkpoint_of(each.read_bytes(), {*args.key})[:2], each) for each in args.seen]
        log = kind(args.path)
    except Exception as problem:  # noqa: BLE001 - whatever it is, nothing is proved
        parser.error(f"{args.path}: cannot be checked: {problem!r}")  # exit code 2
    proved = log.tried(lists, lambda: log.rest(*log.check({*args.key}, {*args.witness}, seen)))
    told = [f"NOTE   {e}: a time-stamp, unchecked" for e in sorted(log.names) if e.endswith(".tsr")]
    told += [f"WRONG  {each}" for each in dict.fromkeys(log.wrong)]
    told += [f"{proved or 'nothing is proved'}: {len(log.wrong) or 'no'} things are wrong"]
    sys.stdout.write("".join(f"{ascii(each)[1:-1]}\n" for each in told))
    return 1 if log.wrong else 0
