"""Check a sealed access log without Watchhouse: one file, nothing but Python 3.9 and its library.

    python3 standalone.py FOLDER --key 'name+id+key' [--key ...] [--seen CHECKPOINT]

In: a folder as `watchhouse log seal` makes it, public keys that were kept elsewhere; a checkpoint
that was, if there is one. Out: every file that is not as it was sealed; exit code 0: all is, 1: not
all is, 2: it cannot be checked.
Must never: import anything of Watchhouse, or of anybody else; write anything.

The formats: Merkle trees of RFC 6962, tiles, notes and checkpoints of C2SP (c2sp.org), Ed25519 of
RFC 8032. What is hashed of a line is said in `seal_of` below.
"""

from __future__ import annotations

import argparse
import base64
import calendar
import hashlib
import hmac
import json
import re
import sys
import time
import zlib
from pathlib import Path
from typing import Any

WIDTH, DASH = 256, "\N{EM DASH} "
NAME = re.compile(r"access-w\d{2,4}-(\d{4})(\d\d)(\d\d)T\d\dZ-\d{4,}\.jsonl", re.ASCII)
STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:[0-5]\d)\.(\d{6})Z", re.ASCII)

P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D, ROOT = -121665 * pow(121666, P - 2, P) % P, pow(2, (P - 1) // 4, P)


def point(octets: bytes) -> tuple[int, ...]:
    """The point that 32 octets stand for (5.1.3)."""
    y = int.from_bytes(octets, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if (x * x - square) % P == 0 else x * ROOT % P
    if len(octets) != 32 or y >= P or (x * x - square) % P or (x == 0 and sign):
        raise ValueError("no point of the curve")
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


def plus(p: tuple[int, ...], q: tuple[int, ...]) -> tuple[int, ...]:
    """The sum of two points (5.1.4)."""
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(number: int, p: tuple[int, ...]) -> tuple[int, ...]:
    """A point, so many times."""
    found: tuple[int, ...] = (0, 1, 1, 0)
    while number:
        found = plus(found, p) if number & 1 else found
        p, number = plus(p, p), number >> 1
    return found


def signed_by(key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether a signature of a message holds (5.1.7)."""
    try:
        base, a, r = point(b"\x58" + b"\x66" * 31), point(key), point(signature[:32])
    except ValueError:
        return False  # key or signature cannot be
    s = int.from_bytes(signature[32:], "little")
    h = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    p, q = times(s, base), plus(r, times(h, a))
    same = (p[0] * q[2] - q[0] * p[2]) % P == 0 and (p[1] * q[2] - q[1] * p[2]) % P == 0
    return same and s < L and len(signature) == 64


def sha256(octets: bytes) -> bytes:
    """SHA-256; of a leaf after an octet 00, of two subtrees after an octet 01."""
    return hashlib.sha256(octets).digest()


def root_of(hashes: list[bytes]) -> bytes:
    """The root over hashes of leaves: of pairs, and what is left over goes up as it is."""
    while len(hashes) > 1:
        pairs = range(0, len(hashes) - 1, 2)
        above = [sha256(b"\1" + hashes[n] + hashes[n + 1]) for n in pairs]
        hashes = above + hashes[len(above) * 2 :]
    return hashes[0] if hashes else sha256(b"")


def checkpoint_of(octets: bytes, keys: list[str]) -> tuple[str, int, bytes]:
    """Origin, size and root that a checkpoint says. A ValueError where nobody known signed it."""
    text, _, lines = octets.decode().rpartition("\n\n")
    if text.count("\n") < 2 or not lines.endswith("\n") or re.search(r"[\0-\x09\x0b-\x1f]", text):
        raise ValueError("not a checkpoint")
    origin, size, root = text.split("\n")[:3]
    found = origin, int(size), base64.b64decode(root, validate=True)
    if str(found[1]) != size or found[1] < 0 or len(found[2]) != 32:
        raise ValueError("not a checkpoint")
    held = False
    for key in keys:
        name, _, rest = key.partition("+")
        public = base64.b64decode(rest.partition("+")[2], validate=True)
        number = sha256(name.encode() + b"\n" + public)[:4]
        for line in lines.splitlines():
            other, _, said = line.partition(DASH)[2].partition(" ")
            signature = base64.b64decode(said, validate=True)
            if line[:2] != DASH or (other, signature[:4]) != (name, number):
                continue  # of somebody who is not known
            message, log = f"{text}\n".encode(), public[:1] == b"\1"
            if not log or not signed_by(public[1:], message, signature[4:]):
                raise ValueError(f"the signature of {name} does not hold")
            held = held or name == origin
    if not held:
        raise ValueError("not signed by any key that counts")
    return found


def record_of(line: bytes) -> dict[str, Any]:
    """What a line says; nothing where it is no record."""
    try:
        record = json.loads(line.decode())
    except (ValueError, RecursionError):
        return {}  # it counts all the same
    return record if isinstance(record, dict) else {}


def place_of(record: dict[str, Any], tags: bytes, index: int) -> bytes:
    """Whose a line is and when it began: tag of the person, microseconds since 1970, its number."""
    person, client, start = record.get("person"), record.get("client_ip"), 0
    who = f"client:{client}" if isinstance(client, str) else ""
    who = f"person:{person}" if isinstance(person, str) else who
    stamp = STAMP.fullmatch(str(record.get("start")))
    if stamp:
        try:
            begun = calendar.timegm(time.strptime(stamp[1], "%Y-%m-%dT%H:%M:%S"))
            start = max(0, begun * 1_000_000 + int(stamp[2]))
        except ValueError:
            start = 0  # the thirtieth of February
    tag = hmac.digest(tags, who.encode("utf-8", "surrogatepass"), "sha256")
    return tag + start.to_bytes(8, "big") + index.to_bytes(8, "big")


def seal_of(packed: bytes, salt: bytes) -> dict[str, Any]:
    """What a manifest says of a segment, made anew from its compressed lines and its salt.

    A line's leaf is SHA-256 of 00, its nonce and itself; the nonce HMAC of the salt over 01 and the
    line's number (8 octets). The second tree has the lines by person and time: a leaf is SHA-256 of
    00, a nonce (02 in place of 01) and `place_of`; tags have the key HMAC of the salt over 03.
    """
    reader = zlib.decompressobj(31)
    octets = reader.decompress(packed) + reader.flush()
    if not reader.eof or reader.unused_data or (octets and not octets.endswith(b"\n")):
        raise ValueError("ends in the middle, or goes on behind its end")
    tags, leaves, places = hmac.digest(salt, b"\3", "sha256"), [], []
    for number, line in enumerate(octets.split(b"\n")[:-1]):
        nonce = hmac.digest(salt, b"\1" + number.to_bytes(8, "big"), "sha256")
        leaves.append(sha256(b"\0" + nonce + line))
        places.append(place_of(record_of(line), tags, number))
    nonces = {each: hmac.digest(salt, b"\2" + each[-8:], "sha256") for each in places}
    places = [sha256(b"\0" + nonces[each] + each) for each in sorted(places)]
    found = {"records": len(leaves), "octets": len(octets), "sha256": sha256(octets).hex()}
    trees = {"root": root_of(leaves).hex(), "places": root_of(places).hex()}
    return {**found, **trees, "packed_sha256": sha256(packed).hex()}


def tile(level: object, number: int, width: int) -> str:
    """The path of a tile (C2SP tlog-tiles)."""
    digits = f"{number:0{max(3, -(-len(str(number)) // 3) * 3)}d}"
    parts = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    path = "/".join([f"x{part}" for part in parts[:-1]] + parts[-1:])
    return f"tile/{level}/{path}" + ("" if width == WIDTH else f".p/{width}")


class Log:
    """A sealed log, and what is wrong with it."""

    def __init__(self, folder: Path, keys: list[str]) -> None:
        self.folder, self.keys = folder, keys
        self.wrong: list[str] = []
        self.known = {"lock"}

    def read(self, name: str) -> bytes:
        """A file of it; none where it cannot be read."""
        self.known.add(name)
        try:
            return (self.folder / name).read_bytes()
        except OSError as problem:
            self.wrong.append(f"{name}: {problem.strerror}")
            return b""

    def checkpoints(self) -> list[tuple[str, int, bytes]]:
        """All that were signed, the smallest first; the one that is shown is the last of them."""
        found: list[tuple[str, int, bytes]] = []
        names = [str(path.relative_to(self.folder)) for path in self.folder.glob("checkpoints/*/*")]
        for name in [*sorted(names), "checkpoint"]:
            try:
                one = checkpoint_of(self.read(name), self.keys)
            except ValueError as problem:
                self.wrong.append(f"{name}: {problem}")
                continue
            place = f"checkpoints/{one[1] // 1000:06d}/{one[1]:09d}"
            if name != "checkpoint" and name == place and one[0] == (found or [one])[0][0]:
                found.append(one)
            elif name != "checkpoint" or [one] != found[-1:]:
                self.wrong.append(f"{name}: not the one that belongs here; see {place}")
        return found

    def entries(self, size: int) -> list[bytes]:
        """All entries, as far as they can be read."""
        found: list[bytes] = []
        for number in range(-(-size // WIDTH)):
            width = min(WIDTH, size - number * WIDTH)
            name, at, bundle = tile("entries", number, width), 0, []
            octets = self.read(name)
            while at + 2 <= len(octets):
                length = int.from_bytes(octets[at : at + 2], "big")
                bundle.append(octets[at + 2 : at + 2 + length])
                at += 2 + length
            if at != len(octets) or len(bundle) != width:
                self.wrong.append(f"{name}: not {width} whole entries")
            found += bundle[:width]
        return found

    def tiles(self, level: object, parts: list[bytes], sizes: list[int]) -> None:
        """Each tile of each size that was signed has the parts that it should; kept bundles too."""
        above = []
        for number in range(-(-len(parts) // WIDTH)):
            made = parts[number * WIDTH : (number + 1) * WIDTH]
            for width in {min(WIDTH, size - number * WIDTH) for size in sizes}:
                name = tile(level, number, max(1, width))
                kept = level != "entries" or (self.folder / name).exists()
                if width > 0 and kept and self.read(name) != b"".join(made[:width]):
                    below = f", or {tile('entries', number, width)} is not" if level == 0 else ""
                    self.wrong.append(f"{name}: not as it was signed{below}")
            above += [root_of(made)] * (len(made) == WIDTH)
        if above and isinstance(level, int):
            self.tiles(level + 1, above, [size // WIDTH for size in sizes])

    def segment(self, said: dict[str, Any]) -> None:
        """The lines of a segment, and its salt."""
        match = NAME.fullmatch(str(said.get("name")))
        day = "/".join(match.groups()) if match else ""
        packed, kept = f"segments/{day}/{said['name']}.gz", f"salts/{day}/{said['name']}.salt"
        salt = self.read(kept)
        try:
            found = seal_of(self.read(packed), salt)
        except (ValueError, zlib.error) as problem:
            self.wrong.append(f"{packed}: {problem}")
            return
        other = {each for each in found if found[each] != said.get(each)}
        other |= {"root"} if len(salt) != 32 else set()  # HMAC takes zeros at its end for nothing
        if other:
            name, what = (packed, other) if other - {"root", "places"} else (kept, {"the salt"})
            self.wrong.append(f"{name}: not what was sealed ({', '.join(sorted(what))})")

    def check(self, seen: tuple[str, int, bytes] | None) -> int:
        """Check all of it. Gives how many entries are signed."""
        checkpoints = self.checkpoints()
        sizes = [each[1] for each in checkpoints]
        entries = self.entries(sizes[-1] if sizes else 0)
        hashes = [sha256(b"\0" + entry) for entry in entries]
        self.tiles("entries", [len(each).to_bytes(2, "big") + each for each in entries], sizes)
        self.tiles(0, hashes, sizes)
        for _, size, root in [*checkpoints, *([seen] if seen else [])]:
            if size > len(entries) or root_of(hashes[:size]) != root:
                self.wrong.append(f"tile/entries: the first {size} are not those that were signed")
        for said in map(record_of, entries):
            if said.get("kind") == "segment":
                self.segment(said)
        files = (each.relative_to(self.folder) for each in self.folder.rglob("*") if each.is_file())
        for name in sorted({*map(str, files)} - self.known):
            self.wrong.append(f"{name}: nothing that was signed speaks of it")
        return len(entries)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="Check a sealed access log of Watchhouse.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--key", action="append", required=True, help="name+id+key; repeatable")
    parser.add_argument("--seen", type=Path, help="a checkpoint that was kept elsewhere")
    args = parser.parse_args()
    log = Log(args.folder, args.key)
    try:
        size = log.check(checkpoint_of(args.seen.read_bytes(), args.key) if args.seen else None)
    except (OSError, ValueError) as problem:
        sys.stderr.write(f"cannot be checked: {problem}\n")
        return 2
    sys.stdout.write("".join(f"WRONG  {each}\n" for each in dict.fromkeys(log.wrong)))
    sys.stdout.write(f"{size} entries signed: {len(log.wrong) or 'no'} things are wrong\n")
    return 1 if log.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
