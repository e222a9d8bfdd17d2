"""The command line of `scripts/audit`, on the standard library alone.

In: a lock file, a file of exceptions, the answers of pip-audit. Out: a verdict in words; exit code
1 for a known vulnerability, else 0.
Must never: fail because nobody answers; call sound what could not be asked about; ask for every
package where the first answer shows that nothing is known here.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

# One requirement of a lock, with its hashes; tests/test_locks.py sees that there is nothing else.
_ENTRY = re.compile(r"(?m)^[A-Za-z0-9][\w.-]*==[^\n]*\n(?: +--hash=[^\n]*\n)*")
_EXCEPTION = re.compile(r"(?P<id>\S+)\s+until\s+(?P<until>\d{4}-\d\d-\d\d)\s+(?P<why>\S.*)")
_PATIENCE = 600  # seconds for all answers


def exceptions(text: str, today: date) -> tuple[set[str], list[str]]:
    """The identifiers to pass over today, and what is wrong with the file."""
    passed, faults = set(), []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        found = _EXCEPTION.fullmatch(line.strip())
        try:
            until = date.fromisoformat(found["until"]) if found else None
        except ValueError:
            # No day of the calendar: reported, so that no exception holds for ever.
            until = None
        if found is None or until is None:
            faults.append(f"wanted `ID until YYYY-MM-DD reason`, found: {line}")
        elif until >= today:
            passed.add(found["id"])
    return passed, faults


def findings(answer: dict[str, Any], passed: set[str]) -> tuple[list[str], int, int]:
    """What pip-audit found.

    Args:
        answer: its JSON.
        passed: identifiers to pass over.

    Returns:
        A line for each vulnerability, how many packages were asked about, and how many of those
        nothing could be found out about.
    """
    lines, skipped = [], 0
    packages = answer["dependencies"]
    for package in packages:
        skipped += "skip_reason" in package
        for known in package.get("vulns", ()):
            names = {known["id"], *known.get("aliases", ())}
            if not names & passed:
                fixed = ", ".join(known.get("fix_versions", ())) or "no version yet"
                lines.append(
                    f"{package['name']} {package['version']}: {known['id']}, mended in {fixed}"
                )
    return lines, len(packages), skipped


def ask(tool: str, requirements: str) -> dict[str, Any] | None:
    """What pip-audit says of some requirements, or None where it could not ask."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "requirements.txt"
        file.write_text(requirements, encoding="utf-8")
        try:
            done = subprocess.run(
                [tool, "--disable-pip", "--require-hashes", "--requirement", str(file),
                 "--format", "json", "--progress-spinner", "off"],
                capture_output=True, text=True, check=False, timeout=_PATIENCE,
            )  # fmt: skip
            answer = json.loads(done.stdout)
        except (OSError, subprocess.TimeoutExpired, ValueError):
            # Not there, no answer, or an error in the place of one: the caller says "not audited".
            return None
    return answer if isinstance(answer, dict) and answer.get("dependencies") else None


def audit(tool: str, ignore: Path, lock: Path, today: date) -> int:
    """Ask, and say what came of it. Gives the exit code."""
    passed, faults = exceptions(ignore.read_text("utf-8"), today)
    if faults:
        print(*(f"{ignore}: {fault}" for fault in faults), sep="\n")
        return 1
    text = lock.read_text("utf-8")
    entries = [entry[0] for entry in _ENTRY.finditer(text)]
    # One first: where nothing is known of it, nobody is troubled with the others.
    first = ask(tool, entries[0])
    if first is None:
        print("not audited: whoever knows of vulnerabilities could not be asked from here.")
        return 0
    if findings(first, passed)[2]:
        print("not audited: the package index that this machine uses knows of no vulnerabilities.")
        return 0
    answer = ask(tool, text)
    if answer is None:
        print("not audited: the answers broke off.")
        return 0
    lines, asked, skipped = findings(answer, passed)
    for line in lines:
        print(f"vulnerable: {line}")
    if skipped:
        print(f"not audited: {skipped} of {asked} packages, of which nothing is known here.")
    if lines:
        print(
            f"{len(lines)} known vulnerabilities. scripts/lock --upgrade-package NAME mends most."
        )
        return 1
    print(f"audited: {asked - skipped} packages, no known vulnerability.")
    return 0


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="scripts/audit")
    parser.add_argument("--tool", required=True, help="pip-audit's program")
    parser.add_argument("--ignore", type=Path, required=True, help="file of exceptions")
    parser.add_argument("lock", type=Path)
    args = parser.parse_args()
    return audit(args.tool, args.ignore, args.lock, datetime.now(UTC).date())


if __name__ == "__main__":
    sys.exit(main())
