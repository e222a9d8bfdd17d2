"""Fuzzes one target in this process, until the time is over or something is found.

In: target, seconds, seed, a folder for findings. Out: `stat::` lines, a file for each finding; exit
status 0 when nothing was found. With atheris (libFuzzer, guided by coverage) where it is installed,
else by mutations alone. Must never: go on after a finding (its state may be spoilt).
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from fuzzlib.mutation import inputs
from fuzzlib.optional import optional
from fuzzlib.target import NAMES, Target, target

if TYPE_CHECKING:
    from collections.abc import Callable

MEGABYTES = 1500  # more than any target needs; libFuzzer ends a run that takes more
SECONDS_EACH = 20  # longest for one input, on a busy machine


def main() -> int:
    """Entry point of the child process that fuzzes."""
    parser = argparse.ArgumentParser(prog="fuzzlib.run")
    parser.add_argument("target", choices=NAMES)
    parser.add_argument("--seconds", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--findings", type=Path, required=True)
    parser.add_argument("--simple", action="store_true", help="mutations alone, without atheris")
    args = parser.parse_args()
    atheris = None if args.simple else optional("atheris")
    if atheris is None:
        return _by_mutation(target(args.target), args.seconds, args.seed, args.findings)
    with atheris.instrument_imports(include=["proxy_addons"], enable_loader_override=False):
        chosen = target(args.target)
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder, "corpus")
        corpus.mkdir()
        for number, seed in enumerate(chosen.seeds()):
            (corpus / f"seed-{number}").write_bytes(seed)
        dictionary = Path(folder, "words")
        dictionary.write_text("".join(f'"{_escaped(word)}"\n' for word in chosen.words()))
        options = [
            *(f"-max_total_time={args.seconds}", f"-seed={args.seed}", "-print_final_stats=1"),
            *(f"-rss_limit_mb={MEGABYTES}", f"-timeout={SECONDS_EACH}", "-max_len=65536"),
            *(f"-dict={dictionary}", f"-artifact_prefix={folder}/"),
        ]
        atheris.Setup([sys.argv[0], *options, str(corpus)], _keeping(chosen, args.findings))
        atheris.Fuzz()  # ends the process
    return 0


def _keeping(chosen: Target, findings: Path) -> Callable[[bytes], None]:
    """The check of a target, which keeps what makes a finding before anything else can happen."""

    def check(data: bytes) -> None:
        try:
            chosen.check(data)
        except BaseException:
            _keep(chosen, findings, data)
            raise

    return check


def _keep(chosen: Target, findings: Path, data: bytes) -> None:
    name = hashlib.sha256(data).hexdigest()[:16]
    module: str = chosen.__name__  # type: ignore[attr-defined]
    (findings / f"{module.rpartition('_')[2]}-crash-{name}").write_bytes(data)


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{octet:02x}" for octet in word)


def _by_mutation(chosen: Target, seconds: int, seed: int, findings: Path) -> int:
    until = time.monotonic() + seconds
    count = 0
    # Not for secrets: the same seed gives the same inputs.
    for data in inputs(chosen.seeds(), chosen.words(), Random(seed)):  # noqa: S311 - it has to repeat itself
        if time.monotonic() > until:
            break
        count += 1
        try:
            chosen.check(data)
        except Exception:  # noqa: BLE001 - whatever it is, it is a finding; nobody is served here
            traceback.print_exc()
            _keep(chosen, findings, data)
            print(f"stat::number_of_executed_units: {count}", file=sys.stderr)
            return 77
    print(f"stat::number_of_executed_units: {count}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    status = main()
    sys.stderr.flush()
    os._exit(status)
