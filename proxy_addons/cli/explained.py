"""A decision that was explained: for people, and as JSON.

In: the decision with all that went into it. Out: text, or plain values.
Must never: print credentials that stand in the URL: only its canonical form is here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from proxy_addons.cli.explain_file import file_as_json, file_table
from proxy_addons.gate.changes import changes_of, names_of_changes
from proxy_addons.gate.wording import why_then
from proxy_addons.policy.explain import NOT_REACHED
from proxy_addons.policy.findings import words_of
from proxy_addons.policy.model import REFUSALS, Action, Decision, Person

if TYPE_CHECKING:
    from datetime import datetime

    from rich.text import Text

    from proxy_addons.cli.explain_about import About
    from proxy_addons.cli.explain_file import Looked
    from proxy_addons.gate.judge import Judgement
    from proxy_addons.urlkey import UrlKey

_COLOURS = {
    Action.ALLOW: "green",
    Action.COACH: "yellow",
    Action.REDIRECT: "red",
    Action.BLOCK: "red",
}
_DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision with all that went into it.

    Attributes:
        key: the canonical address.
        carried: the addresses that it carries (`carriers.yaml`).
        judged: by all of them.
        categories: of all of them, sorted.
        person: for whom.
        method: upper case.
        local: when, in the policy's time zone.
        decision: with its trace.
        list_version: of the category index.
        policy_version: of the configuration.
        notes: what the gateway refuses for other reasons than the policy (ports, destinations).
        about: what is known of client and program.
        file: what was found in the file that was given along.
    """

    key: UrlKey
    carried: tuple[UrlKey, ...]
    judged: Judgement
    categories: tuple[str, ...]
    person: Person
    method: str
    local: datetime
    decision: Decision
    list_version: str
    policy_version: str
    notes: tuple[str, ...]
    about: About
    file: Looked | None = None


def as_json(explanation: Explanation) -> dict[str, Any]:
    """The explanation as plain values; the keys are documented in docs/policy.md."""
    if explanation.file is not None:
        found = {"findings": list(explanation.decision.findings)}
        return {**_as_json(explanation), **found, "file": file_as_json(explanation.file)}
    return _as_json(explanation)


def _as_json(explanation: Explanation) -> dict[str, Any]:
    decision, key = explanation.decision, explanation.key
    retry_at = decision.retry_at
    return {
        "url": url_text(key),
        "key": {
            "scheme": key.scheme,
            "host": key.host,
            "port": key.port,
            "path": key.path,
            "query": key.query,
            "is_address": key.is_address,
        },
        "carried": [url_text(each) for each in explanation.carried],
        "judged_host": explanation.judged.host,
        "method": explanation.method,
        "user": explanation.person.name,
        "groups": None if explanation.person.groups is None else sorted(explanation.person.groups),
        "client": explanation.about.client,
        "user_agent": explanation.about.user_agent,
        "profile": decision.profile,
        "states": sorted(explanation.person.states),
        "exempted": sorted(explanation.person.exempted),
        "rests_on_exemption": decision.exempted,
        "at": explanation.local.isoformat(),
        "categories": list(explanation.categories),
        "action": str(decision.action),
        "rule": decision.rule,
        "clause": decision.clause,
        "reason": decision.reason,
        "matched_categories": list(decision.categories),
        "inspect": not explanation.judged.splice,
        "to": decision.to or None,
        "changed": list(_changed(explanation)),
        "would_block": _would_block(explanation) or None,
        "retry_at": None if retry_at is None else retry_at.isoformat(),
        "retry_ended": sorted(decision.retry_ended),
        "trace": [
            {"rule": step.rule, "matched": step.matched, "why": step.why} for step in decision.trace
        ],
        "list_version": explanation.list_version,
        "policy_version": explanation.policy_version,
        "notes": list(explanation.notes),
    }


def _changed(explanation: Explanation) -> tuple[str, ...]:
    """What rules change about the request, if it passes, as the record would say it."""
    if explanation.decision.action in REFUSALS:
        return ()
    return names_of_changes(changes_of(explanation.judged, (explanation.key,)))


def _would_block(explanation: Explanation) -> str:
    """The rule on trial that would not have let it pass, if it passes."""
    if explanation.decision.action is not Action.ALLOW:
        return ""
    return explanation.decision.would_block or explanation.judged.would_block


def url_text(key: UrlKey) -> str:
    """The canonical address as a URL; the default port is left out."""
    if not key.scheme:
        return str(key)
    host = f"[{key.host}]" if ":" in key.host else key.host
    port = "" if _DEFAULT_PORTS.get(key.scheme) == key.port else f":{key.port}"
    query = f"?{key.query}" if key.query else ""
    return f"{key.scheme}://{host}{port}{key.path}{query}"


def show(explanation: Explanation) -> None:
    """Print it for people: the decision, what went into it, the rules up to the one that held."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    decision = explanation.decision
    colour = _COLOURS[decision.action]
    retry_at = decision.retry_at
    who = explanation.person.name or "anybody"
    judged, tried = explanation.judged, _would_block(explanation)
    lines: tuple[tuple[str, str | Text], ...] = (
        ("decision", Text(f"{decision.action} by rule {decision.rule}", style=f"bold {colour}")),
        *(("but", Text(note, style="bold red")) for note in explanation.notes),
        ("leads to", decision.to),
        ("on trial", f"{tried} would not let it pass" if tried else ""),
        ("changed", ", ".join(_changed(explanation))),
        ("because", ", ".join(words_of(each) for each in decision.findings)),
        ("reason", decision.reason),
        ("clause", decision.clause or "none"),
        (
            "allowed from",
            f"{retry_at:%A %d %B %Y, %H:%M}{why_then(decision.retry_ended)}" if retry_at else "",
        ),
        ("decrypted", "no, stays encrypted end to end" if judged.splice else "yes"),
        ("address", f"{explanation.method} {url_text(explanation.key)}"),
        *(("carries", url_text(each)) for each in explanation.carried),
        ("because of", judged.host if judged.host != explanation.key.host else ""),
        ("categories", ", ".join(explanation.categories) or "none known"),
        ("for", f"{who}, profile {decision.profile}"),
        ("groups", ", ".join(sorted(explanation.person.groups or ()))),
        ("client", explanation.about.client or ""),
        ("program", _quoted(explanation.about.user_agent)),
        ("state", ", ".join(sorted(explanation.person.states))),
        ("at", f"{explanation.local:%A %d %B %Y, %H:%M %Z}"),
        ("versions", f"policy {explanation.policy_version}, lists {explanation.list_version}"),
    )
    head = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, value in lines:
        if value:
            head.add_row(Text(name, style="dim"), value if isinstance(value, Text) else Text(value))
    trace = Table(box=None, padding=(0, 2, 0, 0), title="Rules", title_justify="left")
    for title in ("", "rule", "why"):
        trace.add_column(Text(title))
    later = 0
    for step in decision.trace:
        if step.why == NOT_REACHED:
            later += 1
            continue
        mark, style = ("→", colour) if step.matched else ("", "dim")
        trace.add_row(*(Text(cell, style=style) for cell in (mark, step.rule, step.why)))
    console = Console(highlight=False)
    console.print(head)
    console.print()
    if explanation.file is not None:
        console.print(file_table(explanation.file))
        console.print()
    console.print(trace)
    if later:
        rules = "1 later rule is" if later == 1 else f"{later} later rules are"
        console.print(Text(f"{rules} not reached.", style="dim"))


def _quoted(text: str | None) -> str:
    return "" if not text else text if text.isprintable() else ascii(text)


def show_file(looked: Looked) -> None:
    """Print what was found in a file, for people."""
    from rich.console import Console

    console = Console(highlight=False)
    console.print(file_table(looked))
    console.print("Give an address too, and it says what is decided.", style="dim")
