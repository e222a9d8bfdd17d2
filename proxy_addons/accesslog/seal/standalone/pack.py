"""Check an evidence pack without Watchhouse: Python 3.9 or later, nothing else.

    python3 -I verify.py FOLDER --key 'name+id+key' [--witness KEY] [--seen CHECKPOINT]

In: an unpacked pack; keys that were kept elsewhere. Out: each file that is not as it was signed;
what is proved; exit code 0: all is as it was, 1: not all is, 2: it cannot be checked. Must never:
write anything; take a time-stamp for checked. Formats: RFC 6962, RFC 8032, C2SP, docs/evidence.md.
"""

from __future__ import annotations

import json
import sys
from hashlib import sha256
from typing import Any

from proxy_addons.accesslog.seal.standalone.common import STAMP, Log, main, place_of, shown, signers


class Pack(Log):
    """Check an evidence pack of Watchhouse that was unpacked into a folder."""

    def rest(self, segments: list[Any], keys: set[str]) -> str:
        """What only a pack has: a signed list of its files, and some lines: all of what."""
        listed, note = self.read("manifest.json"), self.read("manifest.sig")
        by = self.tried("manifest.sig", signers, listed + b"\n" + note, keys)
        self.see(by, "manifest.sig: not signed by the key that counts")
        files = json.loads(listed)["files"]
        for name in sorted(({*files} | self.names) - {"manifest.json", "manifest.sig"}):
            same = name in files and sha256(self.read(name)).hexdigest() == files[name]
            self.see(same, f"{name}: not as it was packed")
        proofs, here = json.loads(self.read("proofs.json")), {"lines/lines.csv"}
        whole, count, without = proofs["whole"], 0, 0
        period = whole is None or all(STAMP.fullmatch(whole[at]) for at in ("since", "until"))
        self.see(period, "proofs.json: all of a period that is none")
        for said in segments:
            late = whole is not None and said["last_start"] >= whole["since"]
            inside = late and said["first_start"] < whole["until"]
            without += inside and said["name"] in self.erased
            needed = inside and said["name"] not in self.erased
            pair = [f"lines/{said['name']}", f"proofs/{said['name']}.kept"]
            if needed or {*pair} & self.names:
                found = self.tried(", ".join(pair), shown, said, *map(self.read, pair))
                count += len(found[0]) if found else 0
                if found and needed:
                    self.tried(f"{', '.join(pair)}, proofs.json", all_of, proofs, said, *found)
            here |= {*pair}
        strange = [n for n in sorted(self.names - here) if n.startswith(("lines/", "proofs/"))]
        self.wrong += [f"{each}: of a segment that was not sealed" for each in strange]
        missing = [[each["name"], *run] for each in segments for run in each["missing"]]
        told = json.loads(self.read("gaps.json"))["missing"] == missing
        self.see(told, "gaps.json: not the gaps that the log says")
        what = "nothing is proved of others" if whole is None else f"all of {whole}"
        what += f", but for {without} segments of which lines were erased" if without else ""
        return f"{count} lines are in the log: {what}"


def all_of(proofs: Any, said: Any, lines: dict[int, bytes], places: dict[int, bytes]) -> None:
    """See that all lines of a person and period are shown or withheld: no place is left out."""
    whole, tags = proofs["whole"], bytes.fromhex(proofs["tags"][said["name"]])
    ends = (json.dumps({**whole, "start": whole[at]}) for at in ("since", "until"))
    low, high = (place_of(each.encode(), tags, 0) for each in ends)
    run, first, last = sorted(places.values()), min(places), max(places)
    beside = [*places.values()] == run and last - first == len(run) - 1
    begins, stops = first == 0 or run[0] < low, last == said["records"] - 1 or run[-1] >= high
    wanted = {int.from_bytes(each[40:], "big"): each for each in run if low <= each < high}
    theirs = all(place_of(lines[n], tags, n) == wanted[n] for n in wanted.keys() & lines.keys())
    hidden = sorted(wanted.keys() - lines.keys()) == proofs["withheld"].get(said["name"], [])
    own = sha256(tags).hexdigest() == said["tags"]
    if not (beside and begins and stops and theirs and hidden and own):
        raise ValueError("a line or a neighbour is left out, or a line is not whose its place says")


if __name__ == "__main__":
    sys.exit(main(Pack, "tile/entries, manifest.json, proofs.json, gaps.json"))
