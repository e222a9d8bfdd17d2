"""Check an evidence pack, or a sealed access log, without Watchhouse: Python 3.9, nothing else.

    python3 standalone.py PACK --key 'name+id+key' [--key ...] [--witness KEY] [--seen CHECKPOINT]

In: a pack (zip, or unpacked), or a folder as `watchhouse log seal` makes it; keys that were kept
elsewhere. Out: every file that is not as it was signed; what is proved; exit code 0: all is as it
was, 1: not all is, 2: it cannot be checked. Must never: import of anybody else; write anything.
The formats: RFC 6962 (trees), C2SP (tiles, notes), RFC 8032 (Ed25519); docs/evidence.md (packs).
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
import zipfile
import zlib
from pathlib import Path
from typing import Any

WIDTH, DASH, MOST = 256, "\N{EM DASH} ", 1 << 30  # octets of a pack, at most
DAY = re.compile(r"access-w\d{2,4}-(\d{4})(\d\d)(\d\d)T\d\dZ-\d{4,}\.jsonl", re.ASCII)
STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:[0-5]\d)\.(\d{6})Z", re.ASCII)
BAD = (OSError, RuntimeError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError)
BAD = (*BAD, EOFError, StopIteration, zipfile.BadZipFile, zlib.error)  # what damaged input raises
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D, ROOT = -121665 * pow(121666, P - 2, P) % P, pow(2, (P - 1) // 4, P)


def point(octets: bytes) -> tuple[int, ...]:
    """The point that 32 octets stand for (RFC 8032, 5.1.3)."""
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


def signers(note: bytes, keys: set[str]) -> set[str]:
    """Those of some keys that signed a note. A ValueError where a signature does not hold."""
    text, _, lines = note.decode().rpartition("\n\n")
    if not lines.endswith("\n") or re.search(r"[\0-\x09\x0b-\x1f]", text + lines):
        raise ValueError("not a signed note")
    held = set()
    for line in lines[:-1].split("\n"):
        who, _, said = line.partition(DASH)[2].partition(" ")
        signature = base64.b64decode(said, validate=True)
        for key in keys:
            name, _, rest = key.partition("+")
            public = base64.b64decode(rest.partition("+")[2], validate=True)
            if (who, signature[:4]) == (name, sha256(name.encode() + b"\n" + public)[:4]):
                at = signature[4:12] if public[0] == 4 else b""  # when a witness saw it
                head = f"cosignature/v1\ntime {int.from_bytes(at, 'big')}\n" if at else ""
                if not signed_by(public[1:], f"{head}{text}\n".encode(), signature[4 + len(at) :]):
                    raise ValueError(f"the signature of {name} does not hold")
                held.add(key)
    return held


def sha256(octets: bytes) -> bytes:
    """SHA-256; of a leaf after an octet 00, of two subtrees after an octet 01."""
    return hashlib.sha256(octets).digest()


def root_of(leaves: list[bytes], first: int = 0, size: int = -1, path: Any = ()) -> bytes:
    """The root of a tree, by those of its leaves that stand from `first` on (all: no size said).

    For one leaf the path is RFC 6962's; for several it has what is beside all of them.
    """
    end, steps = first + len(leaves), [bytes.fromhex(each) for each in path]
    size = end if size < 0 else size
    if not 0 <= first <= end <= size or (size and first == end) or {*map(len, steps)} - {32}:
        raise ValueError("no such leaves, or no path")

    def part(begin: int, stop: int) -> bytes:
        if stop <= first or end <= begin:
            return steps.pop()
        if stop - begin == 1:
            return leaves[begin - first]
        half = begin + (1 << (stop - begin - 1).bit_length() - 1)
        right = part(half, stop) if end <= half else b""  # what is beside comes first
        return sha256(b"\1" + part(begin, half) + (right or part(half, stop)))

    root = part(0, size) if size else sha256(b"")
    return sha256(b"a path that is too long") if steps else root


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
    try:
        begun = calendar.timegm(time.strptime(stamp[1], "%Y-%m-%dT%H:%M:%S")) if stamp else 0
        start = max(0, begun * 1_000_000 + int(stamp[2])) if stamp else 0
    except ValueError:
        start = 0  # the thirtieth of February
    tag = hmac.digest(tags, who.encode("utf-8", "surrogatepass"), "sha256")
    return tag + start.to_bytes(8, "big") + index.to_bytes(8, "big")


def seal_of(packed: bytes, salt: bytes) -> dict[str, Any]:
    """What a manifest says of a segment, made anew from its compressed lines and its salt.

    A line's leaf is SHA-256 of 00, nonce and line; the nonce HMAC of the salt over 01 and the line's
    number (8 octets). The second tree has `place_of` in its order, with 02. 03 makes the tags' key.
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
    return {**found, **trees, "tags": sha256(tags).hex(), "packed_sha256": sha256(packed).hex()}


def rest_of(packed: bytes, kept: bytes, size: int) -> dict[str, Any]:
    """The roots of a segment from which lines were erased: of these there are hashes of leaves.

    A line, and a place, is an octet 1 and its nonce (a place itself follows), or 0 and a hash.
    """
    reader, leaves, at, last = zlib.decompressobj(31), [], 33 * size, b""
    lines, places = (reader.decompress(packed) + reader.flush()).split(b"\n"), []
    tags: dict[bytes, set[bytes]] = {}
    shown = [n for n in range(size) if kept[33 * n]]
    stay = {n: lines[at] for at, n in enumerate(shown)}
    for n in range(size):
        value = kept[33 * n + 1 : 33 * n + 33]
        leaves.append(sha256(b"\0" + value + stay[n]) if n in stay else value)
    for _ in range(size):
        value, place = kept[at + 1 : at + 33], kept[at + 33 : at + 81] if kept[at] else b""
        places.append(sha256(b"\0" + value + place) if place else value)
        at += 33 + len(place)
        if place:
            made = place_of(record_of(stay.pop(int.from_bytes(place[40:], "big"))), b"", 0)
            tags.setdefault(made[:32], set()).add(place[:32])
            if made[32:40] != place[32:40] or place <= last:
                raise ValueError("a place that is not that of its line")
            last = place
    if not len(set().union(*tags.values())) == len(tags) == sum(map(len, tags.values())):
        raise ValueError("one tag for two, or two for one")
    if stay or lines[len(shown) :] != [b""] or at != len(kept) or reader.unused_data:
        raise ValueError("not what belongs together")
    said = {"kept": sha256(kept).hex(), "lines": sha256(packed).hex(), "erased": size - len(shown)}
    return {**said, "root": root_of(leaves).hex(), "places": root_of(places).hex()}


def erased(said: list[Any]) -> dict[str, Any]:
    """Segments from which lines were erased: how often, and what the last erasure has left."""
    found: dict[str, Any] = {}
    for each in [
        one for entry in said if entry.get("kind") == "erasure" for one in entry["segments"]
    ]:
        found[each["name"]] = found.get(each["name"], (0,))[0] + 1, each
    return found


def tile(level: object, number: int, width: int) -> str:
    """The path of a tile (C2SP tlog-tiles)."""
    parts = re.findall("...", f"{number:0{-(-len(str(number)) // 3) * 3}d}")
    path = "/".join([f"x{part}" for part in parts[:-1]] + parts[-1:])
    return f"tile/{level}/{path}" + ("" if width == WIDTH else f".p/{width}")


class Log:
    """A sealed log or a pack, and what is wrong with it."""

    def __init__(self, path: Path, keys: set[str], more: set[str], seen: Path | None) -> None:
        self.path, self.keys, self.more, self.wrong, self.seen = path, keys, more, [], []
        if seen:
            _, size, root = seen.read_bytes().decode().rpartition("\n\n")[0].split("\n")[:3]
            self.seen.append((int(size), base64.b64decode(root, validate=True)))
        self.zip = None if path.is_dir() else zipfile.ZipFile(path)
        infos = self.zip.infolist() if self.zip else []
        files = [each.filename for each in infos] or [
            each.relative_to(path).as_posix() for each in path.rglob("*") if each.is_file()
        ]
        self.names, self.known = sorted(files), {"lock"}
        if sum(each.file_size for each in infos) > MOST:
            raise ValueError("too large to be looked at")
        octets = 22 + sum(76 + 2 * len(each.filename) + each.compress_size for each in infos)
        if infos and (octets != path.stat().st_size or len({*files}) != len(files)):
            self.wrong.append(f"{path.name}: a file twice, or octets that belong to no file")

    def read(self, name: str) -> bytes:
        """A file of it; none where it cannot be read."""
        self.known.add(name)
        try:
            return self.zip.read(name) if self.zip else (self.path / name).read_bytes()
        except BAD as problem:
            self.wrong.append(f"{name}: {getattr(problem, 'strerror', None) or problem}")
            return b""

    def signed(self, names: list[str], entries: dict[int, bytes]) -> dict[int, bytes]:
        """Roots by size, of checkpoints that those signed whose keys counted at that size.

        An entry "key" hands over; the first checkpoint that has it is signed by both keys.
        """
        said = {at: record_of(entries[at]) for at in sorted(entries)}
        said = {at: each for at, each in said.items() if each.get("kind") == "key"}
        turns, old_keys = list(said), [str(each.get("replaces")) for each in said.values()]
        chain = old_keys[:1] + [str(each.get("key")) for each in said.values()]
        if old_keys != chain[:-1] or (chain and not self.keys & {*chain}):
            self.wrong.append("log: a key that never counted")
        roots, size = {}, 0
        for name in names:
            before, note = size, self.read(name)
            try:
                origin, said_size, root = note.decode().split("\n")[:3]
                size, roots[int(said_size)] = int(said_size), base64.b64decode(root, validate=True)
                old, new = (sum(at < each for at in turns) for each in (before, size))
                need = {*chain[old : new + 1]} or self.keys
                held = signers(note, need | self.more)
                lacks = (need if chain else set()) | (self.more if name == names[-1] else set())
                if not any(each.startswith(f"{origin}+") for each in held & need) or lacks - held:
                    raise ValueError("not signed by whom it should be")
                place = f"checkpoints/{size // 1000:06d}/{size:09d}"
                if name not in (place, f"log/{place}") and (name, size) != ("checkpoint", before):
                    raise ValueError(f"not the one that belongs here; see {place}")
            except ValueError as problem:
                self.wrong.append(f"{name}: {problem}")
        self.keys = {*chain[-1:]} or self.keys
        return roots

    def folder(self) -> str:
        """Check a folder of seals: all of it is made anew from the lines."""
        names = [each for each in self.names if re.fullmatch(r"checkpoints/\d{6}/\d{9,}", each)]
        size, entries, made = int(names[-1].split("/")[2]) if names else 0, [], {}
        for number in range(-(-size // WIDTH)):
            octets = self.read(tile("entries", number, min(WIDTH, size - number * WIDTH)))
            while octets:
                length = 2 + int.from_bytes(octets[:2], "big")
                entries.append(octets[2:length])
                octets = octets[length:]
        roots = self.signed([*names, "checkpoint"], dict(enumerate(entries)))
        hashes = [sha256(b"\0" + each) for each in entries]
        for size, root in [*roots.items(), *self.seen]:
            if root_of(hashes[:size]) != root or size > len(hashes):
                self.wrong.append(f"tile/entries: the first {size} are not those that were signed")
        levels = {"entries": [len(each).to_bytes(2, "big") + each for each in entries], "0": hashes}
        for level in range(1, 8):
            whole = range(0, len(hashes) - WIDTH + 1, WIDTH)
            levels[str(level)] = hashes = [root_of(hashes[at : at + WIDTH]) for at in whole]
        for level, parts in levels.items():
            for count in {size >> 8 * int(level.strip("entris") or 0) for size in roots}:
                for at in range(0, count, WIDTH):
                    name = tile(level, at // WIDTH, min(WIDTH, count - at))
                    made[name] = b"".join(parts[at : min(count, at + WIDTH)])
        for name, octets in made.items():
            if (name in self.names or "entries" not in name) and self.read(name) != octets:
                below = name.replace("tile/0/", "tile/entries/")
                self.wrong.append(f"{name}: not as it was signed, or {below} is not")
        gone = erased([*map(record_of, entries)])
        for said in map(record_of, entries):
            if said.get("kind") == "segment" and said["name"] in gone:
                self.rest(said, *gone[said["name"]])
            elif said.get("kind") == "segment":
                day = DAY.sub(r"\1/\2/\3", said["name"])
                packed = f"segments/{day}/{said['name']}.gz"
                kept = f"salts/{day}/{said['name']}.salt"
                try:
                    salt = self.read(kept)
                    found = seal_of(self.read(packed), salt)
                    other = {each for each in found if found[each] != said[each]}
                    other |= {"root"} if len(salt) != 32 else set()  # HMAC pads keys by zeros
                    if other:
                        name = packed if other - {"root", "places", "tags"} else kept
                        self.wrong.append(f"{name}: not what was sealed: {sorted(other)}")
                except BAD as problem:
                    self.wrong.append(f"{packed}: {problem}")
        strange = [each for each in self.names if each not in self.known and each[-4:] != ".tsr"]
        self.wrong += [f"{name}: nothing that was signed speaks of it" for name in strange]
        return f"{len(entries)} entries signed"

    def rest(self, said: Any, number: int, left: Any) -> None:
        """Check what erasures have left of a segment; nothing else of it may be there."""
        if not left["kept"] and left["erased"] == said["records"]:
            return
        day = DAY.sub(r"\1/\2/\3", said["name"])
        name = f"rest/{day}/{said['name']}.{number}"
        packed, kept = self.read(f"{name}.gz"), self.read(f"{name}.kept")
        try:
            found, wanted = rest_of(packed, kept, said["records"]), {**said, **left}
            other = {each for each in found if found[each] != wanted[each]}
            self.wrong += [f"{name}.kept, .gz: not what was left: {sorted(other)}"] * bool(other)
        except BAD as problem:
            self.wrong.append(f"{name}.kept, .gz: {problem!r}")

    def pack(self) -> str:
        """Check a pack, and say what it proves."""
        manifest = self.read("manifest.json")
        listed = json.loads(manifest)["files"]
        for name in sorted({*listed, *self.names} - {"manifest.json", "manifest.sig"}):
            if name not in self.names or sha256(self.read(name)).hex() != listed.get(name):
                self.wrong.append(f"{name}: not as it was packed")
        proofs, entries, leaves = json.loads(self.read("proofs.json")), {}, {}
        for first in {each["first"] for each in proofs["ranges"]}:
            lines = self.read(f"log/entries/{first:09d}.jsonl").split(b"\n")[:-1]
            leaves[first] = [sha256(b"\0" + line) for line in lines]
            entries.update(enumerate(lines, first))
        names = [each for each in self.names if each.startswith("log/checkpoints/")]
        roots = self.signed(names, entries)
        for each in proofs["ranges"]:
            first, size = each["first"], each["size"]
            if root_of(leaves[first], first, size, each["path"]) != roots[size]:
                self.wrong.append(f"log/entries/{first:09d}.jsonl: not what was signed")
        self.wrong += [
            f"log: not what was seen at {n}" for n, r in self.seen if roots.get(n, r) != r
        ]
        if not signers(manifest + b"\n" + self.read("manifest.sig"), self.keys):
            self.wrong.append("manifest.sig: manifest.json is not signed by the key that counts")
        said = {each.get("name"): each for each in map(record_of, entries.values())}
        lines, whole = self.read("lines/lines.jsonl").split(b"\n"), proofs["whole"]
        rest, covered = iter(lines), set()
        for each in proofs["segments"]:
            here, shown = said[each["name"]], {}
            for one in each["lines"]:
                index, line = one["index"], None if "leaf" in one else next(rest)
                shown[index], leaf = line, bytes.fromhex(one.get("leaf") or one["nonce"])
                leaf = leaf if line is None or len(leaf) != 32 else sha256(b"\0" + leaf + line)
                if root_of([leaf], index, here["records"], one["path"]).hex() != here["root"]:
                    self.wrong.append(f"lines/lines.jsonl: line {index} of {each['name']}")
            if whole and "places" in each and complete(whole, here, each, shown):
                covered.add(each["name"])
        if [*rest] != [b""]:
            self.wrong.append("lines/lines.jsonl: lines of which nothing is proved")
        if whole is None:
            return f"{len(lines) - 1} lines are in the log; nothing is proved of others"
        gone, without = erased([*map(record_of, entries.values())]), 0
        for name, each in said.items():
            late = each.get("last_start", "") >= whole["since"]
            if not late or each["first_start"] >= whole["until"] or name in covered:
                continue
            without += name in gone
            if name not in gone:
                self.wrong.append(f"proofs.json: not all that is wanted of {name}")
        first = proofs["ranges"][-1]["first"]
        late = first and record_of(entries[first])["sealed"] >= whole["since"]
        if late or first + len(leaves[first]) != max(roots):
            self.wrong.append("log/entries: begins too late or ends too early")
        less = f", but for {without} segments from which lines were erased" if without else ""
        return f"{len(lines) - 1} lines are in the log: all of {whole}{less}"


def complete(whole: Any, here: Any, each: Any, shown: dict[int, Any]) -> bool:
    """Whether a segment's lines of a person and period are those shown: all between neighbours."""
    tags, first, size = bytes.fromhex(each["tags"]), each["places"]["first"], here["records"]
    of = [[bytes.fromhex(part) for part in one] for one in each["places"]["of"]]
    places = [place for place, _ in of]
    leaves = [sha256(b"\0" + nonce + place) for place, nonce in of]
    good = root_of(leaves, first, size, each["places"]["path"]).hex() == here["places"]
    good = good and sha256(tags).hex() == here["tags"] and {48} == {*map(len, places)}
    low, high = (place_of({**whole, "start": whole[at]}, tags, 0) for at in ("since", "until"))
    good = good and (first == 0 or places[0] < low) and places == sorted(places)
    good = good and (first + len(places) == size or places[-1] >= high)
    for place in [each for each in places if low <= each < high]:
        number = int.from_bytes(place[40:], "big")
        line = shown.get(number, b"")
        good = good and (line is None or place_of(record_of(line), tags, number) == place)
    return good


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="Check a pack, or a sealed log, of Watchhouse.")
    parser.add_argument("path", type=Path)
    parser.add_argument("--key", action="append", required=True, help="name+id+key; repeatable")
    parser.add_argument("--witness", action="append", default=[], help="must have signed too")
    parser.add_argument("--seen", type=Path, help="a checkpoint that was kept elsewhere")
    args = parser.parse_args()
    try:
        log = Log(args.path, {*args.key}, {*args.witness}, args.seen)
    except BAD as problem:
        sys.stderr.write(f"{args.path}: cannot be checked: {problem}\n")
        return 2
    pack, proved = "manifest.json" in log.names, "nothing is proved"
    try:
        proved = log.pack() if pack else log.folder()
    except BAD as problem:
        what = "manifest.json, manifest.sig, log/, proofs.json" if pack else "log"
        log.wrong.append(f"{what}: one of these cannot be followed: {problem!r}")
    sys.stdout.write("".join(f"WRONG  {each}\n" for each in dict.fromkeys(log.wrong)))
    sys.stdout.write(f"{proved}: {len(log.wrong) or 'no'} things are wrong\n")
    return 1 if log.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
