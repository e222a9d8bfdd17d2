"""Check a sealed access log, or an evidence pack, without Watchhouse: Python 3.9, nothing else.

    python3 -I standalone.py PATH --key 'name+id+key' [--witness KEY] [--seen CHECKPOINT]

In: a folder as `watchhouse log seal` makes it, or a pack; keys that were kept elsewhere. Out: each
file that is not as it was signed; what is proved; exit code 0: all is as it was, 1: not all is, 2:
it cannot be checked. Must never: import of anybody else; write anything; take a time-stamp for
checked. Formats: RFC 6962 (trees), C2SP (tiles, notes), RFC 8032 (Ed25519), docs/evidence.md.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import io
import json
import re
import sys
import zipfile
import zlib
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

WIDTH, MOST, EPOCH = 256, 1 << 30, datetime(1970, 1, 1)  # noqa: DTZ001 - all are UTC
DAY = re.compile(r"access-w\d{2,4}-(\d{4})(\d\d)(\d\d)T\d\dZ-\d{4,}\.jsonl", re.ASCII)
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:[0-5]\d\.\d{6}Z", re.ASCII)
WRONG = (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, EOFError)
BAD = (*WRONG, RuntimeError, zipfile.BadZipFile, zlib.error)  # what damaged files make of programs
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
    parts, held = re.findall("\u2014 (\\S+) (\\S+)\n", lines), set()
    if sum(len(who + said) + 4 for who, said in parts) != len(lines) or "\r" in text:
        raise ValueError("not a signed note")
    for key in keys:
        name, _, rest = key.partition("+")
        public = base64.b64decode(rest.partition("+")[2], validate=True)
        for said in [base64.b64decode(said, validate=True) for who, said in parts if who == name]:
            at = said[4:12] if public[0] == 4 else b""  # when a witness saw it
            head = f"cosignature/v1\ntime {int.from_bytes(at, 'big')}\n" if at else ""
            if said[:4] == sha256(name.encode() + b"\n" + public)[:4]:
                if not signed_by(public[1:], f"{head}{text}\n".encode(), said[4 + len(at) :]):
                    raise ValueError(f"the signature of {name} does not hold")
                held.add(key)
    return held


def checkpoint_of(note: bytes, keys: set[str]) -> tuple[int, bytes, set[str]]:
    """Size and root that a checkpoint says, and who signed it: one with the name of its origin."""
    origin, said, root = note.decode().partition("\n\n")[0].split("\n")[:3]
    held, found = signers(note, keys), (int(said), base64.b64decode(root, validate=True))
    if not any(each.startswith(f"{origin}+") for each in held):
        raise ValueError("not signed by any key that counts")
    if str(found[0]) != said or found[0] < 0 or len(found[1]) != 32:
        raise ValueError("not a checkpoint")
    return (*found, held)


def sha256(octets: bytes) -> bytes:
    """SHA-256; of a leaf after an octet 00, of two subtrees after an octet 01."""
    return hashlib.sha256(octets).digest()


def root_of(parts: list[tuple[int, bytes]]) -> bytes:
    """The root of a tree from its parts, from the left: of 2**level leaves each, and its hash."""
    stack, at = list[tuple[int, bytes]](), 0
    for level, octets in parts:
        if at & (1 << level) - 1 or len(octets) != 32:
            raise ValueError("no part of a tree")
        at += 1 << level
        top, high = octets, level
        while stack and stack[-1][0] == high:
            top, high = sha256(b"\1" + stack.pop()[1] + top), high + 1
        stack.append((high, top))
    root = stack.pop()[1] if stack else sha256(b"")
    while stack:
        root = sha256(b"\1" + stack.pop()[1] + root)
    return root


def record_of(line: bytes) -> dict[str, Any]:
    """What a line says; nothing where it is no record."""
    try:
        record = json.loads(line.decode())
    except (ValueError, RecursionError):
        return {}  # it counts all the same
    return record if isinstance(record, dict) else {}


def place_of(record: dict[str, Any], tags: bytes, index: int) -> bytes:
    """Whose a line is and when it began: tag of the person, microseconds since 1970, its number."""
    person, client, stamp = record.get("person"), record.get("client_ip"), str(record.get("start"))
    who = f"client:{client}" if isinstance(client, str) else ""
    who = f"person:{person}" if isinstance(person, str) else who
    try:
        begun = datetime.fromisoformat(stamp[:-1]) if STAMP.fullmatch(stamp) else EPOCH
    except ValueError:
        begun = EPOCH  # the thirtieth of February
    start = max(0, (begun - EPOCH) // timedelta(microseconds=1)).to_bytes(8, "big")
    tag = hmac.digest(tags, who.encode("utf-8", "surrogatepass"), "sha256")
    return tag + start + index.to_bytes(8, "big")


def kept_of(lines: list[bytes], salt: bytes) -> bytes:
    """What `shown` reads, of a whole segment: nonces are HMACs of the salt, and so is tags' key."""
    tags, numbers = hmac.digest(salt, b"\3", "sha256"), range(len(lines))
    made = [hmac.digest(salt, b"\1" + n.to_bytes(8, "big"), "sha256") for n in numbers]
    places = sorted(place_of(record_of(lines[n]), tags, n) for n in numbers)
    made += [hmac.digest(salt, b"\2" + each[40:], "sha256") + each for each in places]
    return b"".join(b"\1" + each for each in made)


def shown(said: dict[str, Any], lines: bytes, kept: bytes) -> list[dict[int, bytes]]:
    """Lines and places of a segment, by their numbers, if they are what its manifest says.

    `kept` has the tree of the lines, then that of the places, from the left: an octet 1 and the
    nonce of a leaf that is shown, with its place in the second; or an octet n and the hash of
    2**(n-1) leaves that are not, 0 and that of one. A leaf is SHA-256 of 00, nonce, line or place.
    """
    reader, rest, found = io.BytesIO(kept), lines.split(b"\n")[::-1], list[dict[int, bytes]]()
    for what, width in (("root", 0), ("places", 48)):
        found.append({})
        here, parts, at = found[-1], list[tuple[int, bytes]](), 0
        while at < said["records"]:
            flag, value = reader.read(1)[0], reader.read(32)
            if flag == 1:
                here[at] = reader.read(width) if width else rest.pop()
                value = sha256(b"\0" + value + here[at])
            parts.append((max(flag - 1, 0), value))
            at += 1 << parts[-1][0]
        if root_of(parts).hex() != said[what] or at != said["records"]:
            raise ValueError(f"not what was sealed ({what})")
    if rest != [b""] or reader.read() or {*map(len, found[1].values())} - {48}:
        raise ValueError("lines or proofs too many")
    return found


def run_of(whole: Any, said: Any, found: Any, tags_hex: str, withheld: list[int]) -> None:
    """See that all lines of a person and period are shown or withheld: no place is left out."""
    numbers, places, tags = [*found[1]], [*found[1].values()], bytes.fromhex(tags_hex)
    low, high = (place_of({**whole, "start": whole[at]}, tags, 0) for at in ("since", "until"))
    begun, ended = numbers[0] == 0, numbers[-1] == said["records"] - 1
    beside = numbers[-1] - numbers[0] == len(numbers) - 1 and places == sorted(places)
    if not beside or not (begun or places[0] < low) or not (ended or places[-1] >= high):
        raise ValueError("not all places of the person and period, or not their neighbours")
    wanted = {int.from_bytes(each[40:], "big"): each for each in places if low <= each < high}
    for n in wanted.keys() & found[0].keys():
        if place_of(record_of(found[0][n]), tags, n) != wanted[n]:
            raise ValueError(f"line {n} is not whose its place says")
    if sorted(wanted.keys() - found[0].keys()) != withheld or sha256(tags).hex() != said["tags"]:
        raise ValueError("a line is left out, or another key of tags")


def tile(level: object, number: int, width: int) -> str:
    """The path of a tile (C2SP tlog-tiles)."""
    parts = re.findall("...", f"{number:0{-(-len(str(number)) // 3) * 3}d}")
    path = "/".join([f"x{part}" for part in parts[:-1]] + parts[-1:])
    return f"tile/{level}/{path}" + ("" if width == WIDTH else f".p/{width}")


class Log:
    """A sealed log or a pack, and what is wrong with it."""

    def __init__(self, path: Path) -> None:
        self.path, self.wrong, self.known = path, list[str](), {"lock"}
        self.zip = zipfile.ZipFile(path) if path.is_file() else None
        infos = self.zip.infolist() if self.zip else []
        found = [] if self.zip else [each for each in path.rglob("*") if each.is_file()]
        self.names = sorted([each.relative_to(path).as_posix() for each in found])
        self.names += sorted({each.filename for each in infos})
        octets = 22 + sum(76 + 2 * len(each.filename) + each.compress_size for each in infos)
        over = sum(each.file_size for each in infos) > MOST or len(infos) > len(self.names)
        if self.zip and (over or octets != path.stat().st_size):
            raise ValueError("too large, a file twice, or octets that belong to no file")

    def tried(self, name: str, part: Any, *given: Any) -> Any:
        """A part of the check; what goes wrong in there is wrong with a file."""
        try:
            return part(*given)
        except BAD as problem:
            self.wrong.append(f"{name}: {getattr(problem, 'strerror', None) or repr(problem)}")
            return None

    def read(self, name: str) -> bytes:
        """A file of it; none where it cannot be read."""
        self.known.add(name)
        reader = self.zip.read if self.zip else lambda name: (self.path / name).read_bytes()
        return self.tried(name, reader, name) or b""

    def entries(self, size: int) -> list[bytes]:
        """All entries, as far as they can be read."""
        found = list[bytes]()
        for number in range(-(-size // WIDTH)):
            octets = self.read(tile("entries", number, min(WIDTH, size - number * WIDTH)))
            while octets:
                end = 2 + int.from_bytes(octets[:2], "big")
                found.append(octets[2:end])
                octets = octets[end:]
        return found

    def signed(self, names: list[str], said: Any, keys: set[str], witnesses: set[str]) -> Any:
        """Sizes and roots of checkpoints that those signed whose keys counted; the last such key.

        An entry "key" hands over; the first checkpoint that has it is signed by both keys.
        """
        turns = [at for at, each in enumerate(said) if each.get("kind") == "key"]
        chain = [said[at]["replaces"] for at in turns] + [said[at]["key"] for at in turns[-1:]]
        if chain[1:] != [said[at]["key"] for at in turns] or not keys & {*(chain or keys)}:
            self.wrong.append("tile/entries: a key that never counted")
        roots, before = dict[str, tuple[int, bytes]](), 0
        for name in names:
            found = self.tried(name, checkpoint_of, self.read(name), {*chain} | keys | witnesses)
            size, root, held = found or (int(name[19:]), b"", set[str]())
            until = sum(at < size for at in turns)
            need = {*chain[before : until + 1]} | (witnesses if name == names[-1] else set())
            if need - held or name != f"checkpoints/{size // 1000:06d}/{size:09d}":
                self.wrong.append(f"{name}: not signed by all it needs, or under another name")
            roots[name], before = (size, root), until
        return roots, {*chain[-1:]} or keys

    def tiles(self, levels: dict[str, list[bytes]], sizes: Any) -> None:
        """Each tile of each size that was signed, made anew; old bundles of entries may be gone."""
        for below in range(7):
            leaves = [(0, each) for each in levels[str(below)]]
            ends = range(WIDTH, len(leaves) + 1, WIDTH)
            levels[str(below + 1)] = [root_of(leaves[end - WIDTH : end]) for end in ends]
        for level, hashes in levels.items():
            for count in {size >> 8 * int(level.strip("entris") or 0) for size in sizes}:
                for at in range(0, count, WIDTH):
                    name = tile(level, at // WIDTH, min(WIDTH, count - at))
                    made = b"".join(hashes[at : min(count, at + WIDTH)])
                    if (level != "entries" or name in self.names) and self.read(name) != made:
                        bundle = name.replace("tile/0/", "tile/entries/")
                        self.wrong.append(f"{name}: not as it was signed, or {bundle} is not")

    def segment(self, said: dict[str, Any], erasures: list[Any]) -> None:
        """The lines of a segment in a folder, or what erasures have left of it."""
        name, day = said["name"], DAY.sub(r"\1/\2/\3", said["name"])
        packed, proof = f"segments/{day}/{name}.gz", f"salts/{day}/{name}.salt"
        wanted, tags = said["packed_sha256"], said["tags"]
        if erasures:
            packed, proof = (f"rest/{day}/{name}.{len(erasures)}.{e}" for e in ("gz", "kept"))
            wanted, tags = erasures[-1]["lines"], erasures[-1]["kept"]
        if tags:
            octets, kept = self.read(packed), self.read(proof)
            if sha256(octets).hex() != wanted:
                self.wrong.append(f"{packed}: not what was sealed, or left by an erasure")
            elif not erasures and len(kept) != 32:  # HMAC takes zeros at its end for nothing
                self.wrong.append(f"{proof}: no salt")
            elif sha256(kept if erasures else hmac.digest(kept, b"\3", "sha256")).hex() != tags:
                self.wrong.append(f"{proof}: not what it was")
            else:
                lines = zlib.decompress(octets, 31)
                kept = kept if erasures else kept_of(lines.split(b"\n")[:-1], kept)
                self.tried(f"{packed}, {proof}", shown, said, lines, kept)

    def pack(self, manifests: list[Any], erased: Any, keys: set[str]) -> str:
        """Check what only a pack has: a list of its files, and some lines: all of what."""
        listed, proofs = self.read("manifest.json"), json.loads(self.read("proofs.json"))
        note, files, whole = self.read("manifest.sig"), json.loads(listed)["files"], proofs["whole"]
        if not self.tried("manifest.sig", signers, listed + b"\n" + note, keys):
            self.wrong.append("manifest.sig: not signed by the key that counts")
        for name in sorted({*files, *self.names} - {"manifest.json", "manifest.sig"}):
            if sha256(self.read(name)).hex() != files.get(name):
                self.wrong.append(f"{name}: not as it was packed")
        count = unproved = 0
        for said in manifests:
            name, proof = said["name"], f"proofs/{said['name']}.kept"
            where = f"lines/{name}, {proof}, proofs.json"
            late = whole is not None and said["last_start"] >= whole["since"]
            needed = late and said["first_start"] < whole["until"]
            unproved += bool(needed and name in erased)
            if proof in self.names or (needed and name not in erased):
                lines = self.read(f"lines/{name}")
                count += lines.count(b"\n")
                found = self.tried(where, shown, said, lines, self.read(proof))
                if found and needed and name not in erased:
                    tags, hidden = proofs["tags"].get(name, ""), proofs["withheld"].get(name, [])
                    self.tried(where, run_of, whole, said, found, tags, hidden)
        missing = [[each["name"], *run] for each in manifests for run in each["missing"]]
        if json.loads(self.read("gaps.json"))["missing"] != missing:
            self.wrong.append("gaps.json: not the gaps that the log says")
        what = f"all of {whole}"
        what += f", but for {unproved} segments of which lines were erased" if unproved else ""
        what = "nothing is proved of others" if whole is None else what
        return f"{count} lines are in the log: {what}"

    def check(self, keys: set[str], witnesses: set[str], seen: Any) -> str:
        """Check all of it, and say what is proved."""
        names = [each for each in self.names if re.fullmatch(r"checkpoints/\d{6}/\d{9,}", each)]
        entries = self.entries(int(names[-1][19:]) if names else 0)
        said, last, erased = [*map(record_of, entries)], dict[int, int](), dict[str, list[Any]]()
        roots, keys = self.signed(names, said, keys, witnesses)
        size = (self.tried("checkpoint", checkpoint_of, self.read("checkpoint"), keys) or [0])[0]
        place = f"checkpoints/{size // 1000:06d}/{size:09d}"
        if names[-1:] != [place] or self.read("checkpoint") != self.read(place):
            self.wrong.append(f"checkpoint: not the last that was signed; see {place}")
        hashes = [sha256(b"\0" + each) for each in entries]
        for name, (size, root) in [*roots.items(), *seen]:
            if size > len(hashes) or root_of([(0, each) for each in hashes[:size]]) != root:
                self.wrong.append(f"tile/entries: the first {size} are not those of {name}")
        for left in [e for each in said if each.get("kind") == "erasure" for e in each["segments"]]:
            erased.setdefault(left["name"], []).append(left)
        manifests = [each for each in said if each.get("kind") == "segment"]
        for each in manifests:
            before, first = last.get(each["worker"], 0), each["first_seq"]
            last[each["worker"]] = max(before, each["last_seq"])
            gap = each["after_seq"] is not None and not each["late"] and first > before + 1
            run = [[before + 1, first - 1]] if gap else each["missing"][:1]
            if (each["after_seq"] or 0) != before or each["missing"][:1] != run:
                self.wrong.append(f"tile/entries: {each['name']} does not follow, or hides a gap")
        self.known |= {f"timestamps/{size}.tsr" for size, _ in roots.values()}
        if "manifest.json" in self.names:
            files = "manifest.json, proofs.json, gaps.json"
            return self.tried(files, self.pack, manifests, erased, keys) or "nothing is proved"
        sized = [len(each).to_bytes(2, "big") + each for each in entries]
        self.tiles({"entries": sized, "0": hashes}, [size for size, _ in roots.values()])
        for each in manifests:
            self.tried(each["name"], self.segment, each, erased.get(each["name"], []))
        for name in sorted({*self.names} - self.known):
            self.wrong.append(f"{name}: nothing that was signed speaks of it")
        return f"{len(entries)} entries signed"


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="Check a pack, or a sealed log, of Watchhouse.")
    parser.add_argument("path", type=Path)
    parser.add_argument("--key", action="append", required=True, help="name+id+key; repeatable")
    parser.add_argument("--witness", action="append", default=[], help="must have signed too")
    parser.add_argument("--seen", type=Path, help="a checkpoint that was kept elsewhere")
    args = parser.parse_args()
    try:
        kept = [] if args.seen is None else [args.seen]
        seen = [(each, checkpoint_of(each.read_bytes(), {*args.key})[:2]) for each in kept]
        log = Log(args.path)
        proved = log.check({*args.key}, {*args.witness}, seen)
    except BAD as problem:
        sys.stderr.write(f"{args.path}: cannot be checked: {problem!r}\n")
        return 2
    stamps = [each for each in log.names if each.endswith(".tsr") and each in log.known]
    sys.stdout.write("".join(f"NOTE   {each}: a time-stamp, not checked here\n" for each in stamps))
    sys.stdout.write("".join(f"WRONG  {each}\n" for each in dict.fromkeys(log.wrong)))
    sys.stdout.write(f"{proved}: {len(log.wrong) or 'no'} things are wrong\n")
    return 1 if log.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
