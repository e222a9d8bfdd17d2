"""What a pack says in plain words: how to read it, how to check it, what it does not show.

In: what is in the pack. Out: texts.
Must never: promise more than the proofs do.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from proxy_addons.audit.pack.about import About
    from proxy_addons.audit.pack.gathering import Gathered
    from proxy_addons.audit.pack.report import Report

LIMITS: Final = (
    (
        "A record shows that a request was made with a person's sign-in or from an address "
        "given to that person. It does not show who sat at the keyboard: devices and accounts "
        "may be shared."
    ),
    (
        "Pages load pictures, advertisements and scripts of other sites by themselves, and "
        "programs ask for updates in the background. A request is no proof that anybody read, "
        "saw or wanted it."
    ),
    (
        "What was on a page is not recorded. An address is not its content, and the content of "
        "an address may have changed since."
    ),
    (
        "Of connections that were left encrypted (kind tunnel, handling spliced) only host, "
        "time and number of octets are known."
    ),
    (
        "Times are those of the gateway's clock; a clock that was set shows in the order of "
        "numbers, not in the times."
    ),
    ("The category of a site is that of the list in force at the time, and lists have errors."),
    (
        "What did not pass through the gateway is not in its log: other networks, phones, "
        "devices away from the force."
    ),
    (
        "Records of the last moments before a crash, and of transactions that were still going "
        "on when the log was last sealed, may be missing (docs/access-log.md, What is "
        "promised)."
    ),
    (
        "The seal proves that nothing was changed since it was made, at the end of each hour. "
        "It does not prove that what the gateway wrote in the first place was right, nor that "
        "whoever held the gateway and its key has not kept another log: a checkpoint kept "
        "elsewhere, or a witness's signature, shows that."
    ),
)

VERIFY: Final = (
    "Unpack the zip into a folder of its own. Get the verifier (one file, Python 3.9 or later, no"
    " network) and the public key of the log from a source that is not this pack, keep it outside"
    " of the folder, and run: python3 -I verify.py FOLDER --key 'name+id+key'. It names every file"
    " that is not as it was signed, and says what is proved. The copy of verify.py in the pack"
    " shows what was used; a copy that comes with the evidence is no check of it."
    " docs/evidence.md has the formats, and how one line is checked by hand."
)

FILES: Final = (
    ("report.html, report.pdf", "the report for people; counted from the lines"),
    ("records.csv", "the records for a spreadsheet (cells that would be formulas begin with ')"),
    ("lines/SEGMENT", "the evidence: lines of the log, byte for byte, by their segments"),
    ("lines/lines.csv", "for each line: segment, line in that file, index in the segment"),
    ("proofs/SEGMENT.kept", "what proves that they were sealed, and that none is left out"),
    ("proofs.json", "what the pack is complete for; keys of tags; what is withheld"),
    ("tile/entries/", "the entries of the sealed log: a manifest for each segment"),
    ("checkpoint(s/)", "what was signed: size and root of the log, with all signatures"),
    ("timestamps/", "time-stamps (RFC 3161) of these, where there are any"),
    ("question.json", "what was asked, with its parameters and counts"),
    ("authorisation.json", "under which authority; a withheld detail has only a salted hash"),
    ("versions.json", "software, category lists and policies in force, identity, clock"),
    ("custody.json", "what befell the records on their way here"),
    ("gaps.json", "records that the log itself says are missing"),
    ("extracts.jsonl", "if lines are withheld: where they stand, and what else they say"),
    ("limitations.md", "what the records do not show: read this first"),
    ("manifest.json", "SHA-256 of every file"),
    ("manifest.sig", "the signature over it, by the key of the log (C2SP signed note)"),
    ("verify.py", "the verifier that the pack was made with"),
)


def limits_of(about: About, gathered: Gathered) -> tuple[str, ...]:
    """All known limitations of a pack."""
    gaps = (
        (f"The log itself says that records are missing: {'; '.join(gathered.gaps[:20])}.",)
        if gathered.gaps
        else ()
    )
    return LIMITS + gaps + about.limitations


def limitations_of(about: About, gathered: Gathered, statement: str) -> str:
    """`limitations.md`."""
    points = "\n".join(
        textwrap.fill(each, 96, initial_indent="- ", subsequent_indent="  ")
        for each in limits_of(about, gathered)
    )
    return (
        f"# What this pack does and does not show\n\n{textwrap.fill(statement, 96)}\n\n"
        f"## Limitations\n\n{points}\n"
    )


def readme_of(report: Report, key: str) -> str:
    """`README.txt`."""
    files = "\n".join(f"  {name:<26} {what}" for name, what in FILES)
    return f"""EVIDENCE PACK {report.id}
{report.title}

What this is
------------
Records of a web gateway's access log, with what a third party needs to check that they are
as they were sealed. It holds personal data: keep it as its authorisation says.

{textwrap.fill(report.statement, 88)}

How to verify it
----------------
Unpack the zip; then, in its folder, on a machine without network, with Python 3.9 or later:

  python3 -I verify.py . --key '{key}'

{textwrap.fill(VERIFY, 88)}
The key above is a convenience: compare it with the one that the force has published.

What each file is
-----------------
{files}
"""
