"""Shapes of protective markings: what a line says, whatever stands around it.

In: a line. Out: the marking that it is, or has among other words.
Must never: take long over a hostile line: all lines are cut to a length, all repeats are bounded.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

LONGEST: Final = 160
"""Characters of the longest line that can be a marking."""

# All are matched on a line in one form (`plain_line`): dashes are "-", one blank between words.
# Each alternative begins with another character or is of bounded length: no line takes long.

SENSITIVE = r"OFFICIAL ?(?:- ?|/ ?|: ?|[(\[] ?)?SENSITIVE\b ?[)\]]?|OFFSEN\b|OFF-SEN\b"
_LEVEL = rf"(?P<level>TOP ?-? ?SECRET\b|{SENSITIVE}|SECRET\b|CONFIDENTIAL\b|RESTRICTED\b|PROTECT\b)"
_LOWER = (
    r"(?P<lower>NOT PROTECTIVELY MARKED|OFFICIAL(?![-: /(\[]{1,4}SENSITIVE)|UNCLASSIFIED|UNMARKED"
    r"|NPM|NO(?: PROTECTIVE)? MARKING)\b"
)
_OWNER = r"(?:(?:UK|NATO|EU|HMG|MOD|DRAFT|MARKED|CLASSIFIED)[ :/-]{1,3}){0,2}"
_PART = r"(?:[ ]?[-:/|,;.()\[\]{}][-:/|,;.()\[\]{} ]{0,4})"
# Descriptors of both schemes. They follow a mark of punctuation: "RESTRICTED VISITS" is a heading.
_DESCRIPTOR = (
    r"(?:PERSONAL(?: DATA)?|PRIVATE|COMMERCIAL|LEGAL(?: PROFESSIONAL PRIVILEGE)?|LPP|LOCSEN"
    r"|MARKET SENSITIVE|HR(?: ?/ ?MANAGEMENT)?|MANAGEMENT|STAFF|MEDICAL|POLICY|CONTRACTS?"
    r"|APPOINTMENTS?|BUDGET|HONOURS|INVESTIGATIONS?|VISITS?|EXAMINATIONS?|POLICE|CRIME|COVERT"
    r"|INTELLIGENCE|OPERATIONAL|SENSITIVE|SECURITY|TECHNICAL|NUCLEAR|ATOMIC|CRYPTO|STRAP ?\d?)"
)
# Handling instructions and national caveats: nobody writes them of anything else.
_CAVEAT = (
    r"(?:(?:(?:UK|US|AUS|CAN|NZ|AUSCANNZUKUS|CANUKUS|FVEY|FIVE|5)[ /,&-]{1,3}){1,5}EYES ONLY"
    r"|UKEO|UK EYES|RECIPIENTS? ONLY|(?:ORGANISATIONAL|HMG|INTERNAL|POLICE) USE ONLY"
    r"|ADDRESSEES? ONLY|NAMED RECIPIENTS? ONLY|NOT FOR DISCLOSURE|NOT FOR (?:ONWARD )?DISSEMINATION"
    r"|EMBARGOED(?: UNTIL [\w: ]{1,24})?|(?:WHEN|ONCE) COMPLETED?|NO FOREIGN(?: NATIONALS)?|NOFORN)"
)
# What a page's head or foot has beside it.
_PAGE = (
    r"(?:(?:PAGE|PG\.?|P\.?) ?)?\d{1,4}(?: ?(?:OF|/) ?\d{1,4})?"
    r"|V(?:ERSION)? ?\d{1,3}(?:\.\d{1,3}){0,2}|DRAFT(?: ?V? ?\d{1,2}(?:\.\d{1,2})?)?"
    r"|COPY(?: NO\.?)? ?\d{0,3}"
)
_TAIL = (
    rf"(?P<tail>(?:(?:{_PART}|[ ])(?:{_CAVEAT})\b"
    rf"|(?:{_PART}|(?<=SENSITIVE)[ ]|(?<=TOP SECRET)[ ])(?:{_DESCRIPTOR})\b"
    rf"|(?: AND | & |/)(?:{_DESCRIPTOR}|{_CAVEAT})\b"
    rf"|(?:{_PART}|[ ])(?:{_PAGE})(?![\w.])){{0,6}}){_PART}?"
)
WHOLE = re.compile(rf"{_OWNER}{_LEVEL}{_TAIL}")
WHOLE_LOWER = re.compile(rf"{_OWNER}{_LOWER}(?:{_PART}.{{0,60}})?(?: (?:{_PAGE}))?{_PART}?")
WHOLE_CAVEAT = re.compile(rf"(?:{_CAVEAT})(?:{_PART}(?:{_DESCRIPTOR}))?")
HAS_CAVEAT = re.compile(rf"(?:{_CAVEAT})\b|{_PART}(?:{_DESCRIPTOR})\b")
LABEL = re.compile(
    r"(?:(?:GOVERNMENT|HMG|DOCUMENT|INFORMATION|OVERALL|GPMS|GSCP?|GCS) ){0,2}"
    r"(?:PROTECTIVE(?:LY)? MARK(?:ING|ED)|SECURITY (?:CLASSIFICATION|MARKING|LABEL|LEVEL)"
    r"|CLASSIFICATION|CLASSIFIED|MARKINGS?|GPMS|GSCP?|SENSITIVITY(?: LABEL)?)"
    r"(?: (?:LEVEL|MARKING|CLASSIFICATION|SCHEME|STATUS|AS|IS|OF (?:THIS )?DOCUMENT)){0,2}"
    r"(?P<parted>[ ]?[:=|\t-]+[ ]?)?",
)
DECLARED = re.compile(
    r"(?<![\w\"'`])THIS "
    r"(?:DOCUMENT|REPORT|E-?MAIL|MESSAGE|FILE|LETTER|INFORMATION|PAPER|MATERIAL|MINUTE)"
    r"(?:,? (?:AND|INCLUDING) (?:ITS |ANY |ALL )?ATTACHMENTS?,?)?"
    r" (?:IS|ARE|HAS BEEN|HAVE BEEN|MUST BE TREATED AS)"
    r"(?: (?:PROTECTIVELY |SECURITY )?(?:MARKED|CLASSIFIED|GRADED))?(?: AS| AT)?(?: UK)? ?[\"']?"
    rf"{_LEVEL}",
)
# In a head of a page, a subject or a name the words stand among others.
AMONG = re.compile(rf"(?<![\w-]){_LEVEL}(?![\w'=])")
# After one of these the word is an adjective.
# fmt: off
NOT_BEFORE: Final = frozenset(
    [
        "NOT", "NON", "UN", "NO", "STRICTLY", "HIGHLY", "AND", "&", "IN", "IS", "ARE",
        "WAS", "BE", "BEEN", "THE", "A", "AN", "OF", "ON", "TO", "MOST", "BEST", "OUR",
        "MY", "YOUR", "HIS", "HER", "THEIR", "TRADE", "OPEN", "CLIENT", "SHARED", "TOTALLY",
        "ACCESS",
    ]
)
# fmt: on
_OWNERS = re.compile(r"(?<![\w-])(?:UK|NATO|EU|HMG|MOD)$")
_SEPARATORS = frozenset("-:|/[](){}*")
LABEL_NAMES = re.compile(r"classif|marking|protective|gpms|gsc\b|sensitiv|msip|titus|security")

_DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2500\u2043"), "-")
_QUOTES = dict.fromkeys(map(ord, "\u2018\u2019\u201b\u02bc"), "'") | dict.fromkeys(
    map(ord, "\u201c\u201d\u201f\u00ab\u00bb"), '"'
)
_NOTHING = dict.fromkeys(
    [0xAD, 0x200B, 0x200C, 0x200D, 0x200E, 0x200F, 0x2060, 0xFEFF, 0x202A, 0x202C, 0x202D, 0x202E]
)
_SIGNS = _DASHES | _QUOTES | _NOTHING
_DECORATION = " *_#=~+<>|.\u2022\u00b7\u25a0\u25cf\u2588"
_SPACED = re.compile(r"(?:[^\W\d_] {1,4}){3,40}[^\W\d_](?![^\W\d_])")
_RUN = re.compile(r"(?<![^\W\d_])(?:[^\W\d_] ){1,40}[^\W\d_](?![^\W\d_])")
BLANKS = re.compile(r"[ \t\u00a0\u3000]+")
SEGMENT = re.compile(r"\t+|\s*\|\s*| {3,}|\s*[\u2022\u00b7]\s*")
# One of these is in every text that has something for this module, in small letters.
NEEDLES: Final = (
    "sensitive", "secret", "restricted", "confidential", "protect", "eyes", "ukeo", "offsen",
    "off-sen", "only", "official", "unclassified",
    # spaced: R E S T R I C T E D
    "r e t", "s t r i c", "n f i d", "s i t i v", "t e c t",
    "marked", "marking", "classif", "gpms", "gsc",
)  # fmt: skip


def may_mark(text: str) -> bool:
    """Whether a text has a word of a marking at all: a quick look."""
    small = text.lower()
    return any(needle in small for needle in NEEDLES)


def one_sign_each(text: str) -> str:
    """A text with one sign for each kind of dash and quote, full-width letters made plain."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFKC", text.translate(_SIGNS)).translate(_SIGNS)


def plain_line(line: str) -> str:
    """A line without decoration, with one blank between words; empty where it is too long."""
    line = line.strip(_DECORATION + "\t\r\u00a0-")
    if len(line) > LONGEST * 2:
        return ""
    if _SPACED.match(line):  # R E S T R I C T E D: two blanks or more part its words
        line = re.sub(
            r" {2,}|(?<=\w)-(?=\w)",
            lambda gap: gap[0] if gap[0] == "-" else "\0",
            line,
        )
        line = _RUN.sub(lambda run: run[0].replace(" ", ""), line).replace("\0", " ")
    line = BLANKS.sub(" ", line)
    return line if len(line) <= LONGEST else ""


def name_of(level: str) -> str:
    """The name that findings have for a marking as it is written."""
    word = level.upper()
    if word.startswith("TOP"):
        return "top-secret"
    if word.startswith("OFF"):
        return "official-sensitive"
    return word.lower()


def in_capitals(text: str) -> bool:
    """Whether no letter of a text is small."""
    return text.upper() == text


def title_case(text: str) -> bool:
    """Whether each word begins with a capital."""
    return all(word[:1].isupper() for word in re.findall(r"[A-Za-z]+", text))


ANY_CASE = frozenset({"official-sensitive"})
"""Nobody writes it of anything else, so that capitals are not asked for."""


def labelled(line: str) -> set[str] | None:
    """Of "Protective marking: RESTRICTED" its marking; empty for one below all; None: no label."""
    plain = plain_line(line.replace("\t", " | "))
    label = LABEL.match(plain.upper())
    if label is None:
        return None
    value = plain_line(plain[label.end() :])
    whole = WHOLE.fullmatch(value.upper())
    if label["parted"] is None:
        # "Classification secret": the columns of a table, if at all; then capitals tell.
        level = value[slice(*whole.span("level"))] if whole is not None else value
        sensitive = whole is not None and name_of(level) in ANY_CASE and title_case(level)
        if not in_capitals(level) and not sensitive:
            return None
    if whole is None and WHOLE_CAVEAT.fullmatch(value.upper()):
        return {"caveat"}
    if whole is None:
        return set() if WHOLE_LOWER.fullmatch(value.upper()) else None
    name = name_of(whole["level"])
    if name == "confidential" and "SENSITIVITY" in label[0]:
        return set()  # a word of e-mail programs (RFC 2156, 2.3.1.12), not of the scheme
    return {name}


def among(plain: str, *, loose: bool) -> set[str]:
    """Markings that stand among other words, as "RESTRICTED - Op Falcon".

    Args:
        plain: the line.
        loose: a mixed-case line may have one at its end, or beginning, without a sign between.
    """
    found: set[str] = set()
    for match in AMONG.finditer(plain):
        name = name_of(match["level"])
        if name in ANY_CASE or name == "top-secret":
            found.add(name)
            continue
        before = _OWNERS.sub("", plain[: match.start()].rstrip()).rstrip()
        after = plain[match.end() :].lstrip()
        word = re.split(r"[\s(\[]", before)[-1].upper() if before else ""
        if word in NOT_BEFORE:
            continue
        opened = not before or before[-1] in _SEPARATORS
        closed = not after or after[0] in _SEPARATORS or bool(HAS_CAVEAT.match(" " + after))
        # "RESTRICTED BREEDS: see ..." begins a sentence, "RESTRICTED Op Falcon" does not.
        begins = opened and not re.match(r"[A-Z]{2,}\b", after)
        if name == "protect":
            counts = (opened or closed) and HAS_CAVEAT.match(plain[match.end() :]) is not None
        else:
            counts = (opened and closed) or (loose and (begins or closed) and mixed(before + after))
        if counts:
            found.add(name)
    return found


def mixed(rest: str) -> bool:
    """Whether the rest of a line is not in capitals, so that capitals in it say something."""
    return any(sign.islower() for sign in rest)
