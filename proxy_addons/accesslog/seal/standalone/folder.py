"""Check a sealed access log without Watchhouse: Python 3.9 or later, nothing else.

    python3 -I verify.py FOLDER --key 'name+id+key' [--witness KEY] [--seen CHECKPOINT]

In: a folder of seals, or a copy; keys that were kept elsewhere. Out: each file that is not as it
was signed; exit code 0: all is as it was, 1: not all is, 2: it cannot be checked. Must never: write
anything; take a time-stamp for checked. Formats: RFC 6962, RFC 8032, C2SP, docs/access-log.md.
"""

from __future__ import annotations

import hmac
import re
import sys
import zlib
from hashlib import sha256
from typing import Any

from proxy_addons.accesslog.seal.standalone.common import (
    WIDTH,
    Log,
    main,
    place_of,
    root_of,
    shown,
    tile,
)


def kept_of(lines: list[bytes], salt: bytes) -> bytes:
    """What `shown` reads, of a whole segment: nonces are HMACs of the salt, and so is tags' key."""
    tags, numbers = hmac.digest(salt, b"\3", "sha256"), range(len(lines))
    made = [hmac.digest(salt, b"\1" + n.to_bytes(8, "big"), "sha256") for n in numbers]
    places = sorted(place_of(lines[n], tags, n) for n in numbers)
    made += [hmac.digest(salt, b"\2" + each[40:], "sha256") + each for each in places]
    return b"".join(b"\1" + each for each in made)


class Seals(Log):
    """Check the folder of a sealed access log of Watchhouse."""

    def rest(self, segments: list[Any], _keys: set[str]) -> str:
        """What only the whole log has: all tiles, all lines, and nothing else."""
        sized = {(n, n + 1): len(e).to_bytes(2, "big") + e for n, e in enumerate(self.entries)}
        levels = [(level, 8 * level, self.tree) for level in range(7)]
        for level, bits, known in [("entries", 0, sized), *levels]:
            counts = {size >> bits for size in self.sizes}
            for at, end in {(at, min(at + WIDTH, n)) for n in counts for at in range(0, n, WIDTH)}:
                name = tile(level, at, end)
                if level != "entries" or name in self.names:  # old bundles may be gone
                    parts = [root_of(known, n << bits, n + 1 << bits) for n in range(at, end)]
                    same = self.read(name) == b"".join(parts)
                    self.see(same, f"{name}, or {name.replace('/0/', '/entries/')}: not as signed")
        for said in segments:
            self.tried(said["name"], self.segment, said, self.erased.get(said["name"], []))
        self.known |= {"lock"} | {f"timestamps/{size}.tsr" for size in self.sizes}
        self.wrong += [f"{n}: nobody sealed it" for n in sorted(self.names - self.known)]
        return f"{len(self.entries)} entries signed"

    def segment(self, said: dict[str, Any], erasures: list[Any]) -> None:
        """The lines of a segment, or what erasures have left of it."""
        name = said["name"]
        day = re.sub(r"access-w\d+-(\d{4})(\d\d)(\d\d)T.*", r"\1/\2/\3", name)
        packed, proof = f"segments/{day}/{name}.gz", f"salts/{day}/{name}.salt"
        wanted, tags = said["packed_sha256"], said["tags"]
        if erasures:
            packed, proof = (f"rest/{day}/{name}.{len(erasures)}.{e}" for e in ("gz", "kept"))
            wanted, tags = erasures[-1]["lines"], erasures[-1]["kept"]
        if tags:  # or else all of it was erased
            octets, kept = self.read(packed), self.read(proof)
            salted = kept if erasures else hmac.digest(kept, b"\3", "sha256")
            if sha256(octets).hexdigest() != wanted:
                raise ValueError(f"{packed}: not what was sealed, or left by an erasure")
            # A salt has 32 octets: HMAC takes zeros at its end for nothing.
            if sha256(salted).hexdigest() != tags or not (erasures or len(kept) == 32):
                raise ValueError(f"{proof}: not what was sealed, or left by an erasure")
            lines = zlib.decompress(octets, 31)
            kept = kept if erasures else kept_of(lines.split(b"\n")[:-1], kept)
            self.tried(f"{packed}, {proof}", shown, said, lines, kept)


if __name__ == "__main__":
    sys.exit(main(Seals, "tile/entries"))
