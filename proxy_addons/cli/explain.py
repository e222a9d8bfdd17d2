"""`watchhouse explain URL`: what the policy decides, and why, rule by rule.

In: a URL, for whom, when; a file that comes from there; the configuration; the compiled category
index.
Out: decision and trace, for people or as JSON.
Must never: decide by other means than the gateway (same key, same index, same `decide`), contact
anything, or print credentials that stand in the URL.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from proxy_addons.cli.common import add_common, settings_of
from proxy_addons.cli.explain_about import SENDING, About, about_of, add_about, person_of
from proxy_addons.cli.explain_file import Looked, file_as_json, look
from proxy_addons.cli.explained import Explanation, as_json, show, show_file
from proxy_addons.gate.judge import judge
from proxy_addons.gate.names import host_key_of, with_carried
from proxy_addons.policy.cache import Decider
from proxy_addons.policy.decide import decide
from proxy_addons.policy.model import REFUSALS, Decision, Moment, Person, Resource
from proxy_addons.policy.retry import retry_ahead, spans
from proxy_addons.policy.states import STATES, as_given
from proxy_addons.settings.problems import nearest
from proxy_addons.urlkey import UrlKey, UrlKeyError, url_key
from proxy_addons.urlkey.carriers import CarriedError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from proxy_addons.settings.model import Network, Settings

DEFAULT_PROFILE = "standard"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


class ExplainError(Exception):
    """What was asked for cannot be explained; the text says what to do."""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "explain",
        help="say what the policy decides of a URL or a file, and why",
        description="Say what the policy decides of a URL, and of a file that comes from there or"
        " is sent there, rule by rule. Nothing is contacted.",
    )
    parser.add_argument(
        "url",
        metavar="URL",
        nargs="?",
        help="an address; https:// is added if it has none; may be left out with --file",
    )
    parser.add_argument(
        "--file",
        metavar="PATH",
        type=Path,
        help="a file: what it is, what is in it, and what is decided of it; with --method POST or"
        " PUT as one that is sent",
    )
    parser.add_argument("--name", metavar="NAME", help="as if the file were called so")
    parser.add_argument("--content-type", metavar="TYPE", help="as if what comes were declared so")
    who = parser.add_mutually_exclusive_group()
    who.add_argument("--user", metavar="NAME", help="a person of identity.addresses")
    who.add_argument("--profile", metavar="PROFILE", help=f"a profile (default: {DEFAULT_PROFILE})")
    parser.add_argument(
        "--exempt",
        metavar="CATEGORY",
        action="append",
        default=[],
        help="as with a live exemption of this category; may be repeated",
    )
    parser.add_argument(
        "--state",
        metavar="STATE",
        action="append",
        default=[],
        help="as with this standing for the person, e.g. on-break; may be repeated (default:"
        " no-rota)",
    )
    parser.add_argument(
        "--at",
        metavar="TIME",
        help="ISO 8601, e.g. 2026-11-24T10:30; in the policy's time zone unless it names one"
        " (default: now)",
    )
    parser.add_argument(
        "--then",
        metavar=("TIME", "STATES"),
        nargs=2,
        action="append",
        default=[],
        help="as with this standing from TIME on, e.g. `--then 2026-11-24T22:00 off-duty`, commas"
        " between several; for the moment from which it would be allowed; may be repeated",
    )
    parser.add_argument("--method", default="GET", help="HTTP method (default: GET)")
    add_about(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_common(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    try:
        if args.url is None:
            return _file_alone(args)
        explanation = explain(args)
    except ExplainError as problem:
        # Nothing was decided: say why and how to mend it, and end.
        print(f"watchhouse: {problem}", file=sys.stderr)
        return 1
    if args.json:
        print(json.dumps(as_json(explanation), indent=2, ensure_ascii=False))
    else:
        show(explanation)
    return 0


def _file_alone(args: argparse.Namespace) -> int:
    """What is found in a file; without an address nothing is decided."""
    if args.file is None:
        raise ExplainError("give an address, a file (--file PATH), or both")
    looked = _looked(args, settings_of(args, today=datetime.now(UTC).date()))
    if args.json:
        print(json.dumps({"file": file_as_json(looked)}, indent=2, ensure_ascii=False))
    else:
        show_file(looked)
    return 0


def _looked(args: argparse.Namespace, settings: Settings) -> Looked:
    sent = args.method.upper() in SENDING
    try:
        return look(args.file, args.name, args.content_type, settings.content.archives, sent=sent)
    except OSError as problem:
        # Nothing is decided of a file that nobody can read.
        raise ExplainError(f"--file {str(args.file)!r}: {problem.strerror}") from problem


def explain(args: argparse.Namespace) -> Explanation:
    """Decide as the gateway would, with a trace.

    Raises:
        ExplainError: the URL, person, profile or time is not usable, or there is no index.
        SettingsError: the configuration is not usable.
    """
    from proxy_addons.categorisation import (
        CategoryIndex,
        CategoryIndexError,
    )

    asked = _asked_time(args.at)
    settings = settings_of(args, today=asked.date())
    method = args.method.upper()
    key = _key(args.url)
    if method == "CONNECT":
        key = host_key_of(key.host, key.port)
    person, about = _who(args, settings, method)
    person = replace(
        person,
        exempted=settings.policy.with_aliases(args.exempt),
        states=_states(args.state),
    )
    local = _local(asked, settings)
    path = settings.paths.index_file
    try:
        index = CategoryIndex.open(path)
    except CategoryIndexError as problem:
        # Without categories the answer would be wrong: none is given.
        if path.exists():
            raise ExplainError(f"{problem}; run `watchhouse categories compile`") from problem
        msg = f"there is no category index at {path}; run `watchhouse categories compile`"
        raise ExplainError(msg) from problem
    for category in args.exempt:
        if category not in index.categories:
            hint = nearest(category, index.categories)
            raise ExplainError(f"no list has the category {category!r}{hint}")
    moment = Moment(local)
    try:
        keys = with_carried((key,), settings.carriers)
    except CarriedError as problem:
        # As with an address that has no single meaning; nothing of it is repeated.
        raise ExplainError(
            f"the gateway would refuse this as inner-address: {problem}"
        ) from problem
    judged = judge(Decider(settings.policy), index, person, keys, method, moment, about=about.known)
    resource = Resource(judged.key, index.lookup(judged.key), method, about.known)
    looked = None if args.file is None else _looked(args, settings)
    # What is refused anyhow is never fetched: its body makes no difference.
    findings = frozenset[str]()
    if judged.decision.action not in REFUSALS:
        findings = about.found if looked is None else about.found | looked.findings
    decision = decide(settings.policy, person, resource, moment, findings=findings, trace=True)
    if args.then:
        decision = _in_time(decision, settings, person, resource, _then(args.then, settings, local))
    return Explanation(
        key=key,
        carried=tuple(keys[1:]),
        judged=judged,
        categories=judged.categories,
        person=person,
        method=method,
        local=local,
        decision=decision,
        list_version=index.version,
        policy_version=settings.policy_version,
        notes=(
            *_notes(key, settings.network),
            *_exempt_only(decision, settings),
            *about.notes,
        ),
        file=looked,
        about=about,
    )


def _who(args: argparse.Namespace, settings: Settings, method: str) -> tuple[Person, About]:
    try:
        return person_of(args, _person(args, settings)), about_of(args, settings, method)
    except ValueError as problem:
        # Nothing is decided for what was not understood.
        raise ExplainError(f"--person, --client or --upload-size: {problem}") from problem


def _asked_time(text: str | None, option: str = "--at") -> datetime:
    if text is None:
        return datetime.now(UTC)
    try:
        return datetime.fromisoformat(text)
    except ValueError as problem:
        # Nothing is decided for a time that was not understood.
        msg = f"{option} {text!r} is no ISO 8601 time such as 2026-11-24T10:30"
        raise ExplainError(msg) from problem


def _states(given: list[str], option: str = "--state") -> frozenset[str]:
    try:
        return as_given(given)
    except ValueError as problem:
        # Nothing is decided for what nobody can be.
        unknown = next((state for state in given if state not in STATES), None)
        hint = "" if unknown is None else nearest(unknown, STATES)
        raise ExplainError(f"{option}: {problem}{hint}") from problem


def _then(
    given: list[list[str]], settings: Settings, local: datetime
) -> tuple[datetime, dict[datetime, frozenset[str]]]:
    """The moment asked about, and what stands from later moments on.

    Raises:
        ExplainError: a time or a state is none, or the time is not later.
    """
    found = {}
    for time_text, states_text in given:
        moment = _local(_asked_time(time_text, "--then"), settings)
        if moment.timestamp() <= local.timestamp():
            raise ExplainError(f"--then {time_text!r} is not later than the moment asked about")
        found[moment] = _states(states_text.split(","), "--then")
    return local, found


def _in_time(
    decision: Decision,
    settings: Settings,
    person: Person,
    resource: Resource,
    then: tuple[datetime, dict[datetime, frozenset[str]]],
) -> Decision:
    """A decision, with when it would be allowed by what will stand for the person."""
    if decision.action not in REFUSALS:
        return decision
    policy, (local, states) = settings.policy, then
    facts = policy.facts(person, resource)
    retry = retry_ahead(policy, facts, local, spans(local, person.states, states))
    at, ended = (None, frozenset[str]()) if retry is None else retry
    return replace(decision, retry_at=at, retry_ended=ended)


def _local(asked: datetime, settings: Settings) -> datetime:
    """The moment in the policy's time zone; a local reading that is skipped moves on an hour."""
    zone = settings.policy.time_zone
    aware = asked if asked.tzinfo is not None else asked.replace(tzinfo=zone)
    return aware.astimezone(UTC).astimezone(zone)


def _key(url: str) -> UrlKey:
    try:
        return url_key(url if _SCHEME.match(url) else f"https://{url}")
    except UrlKeyError as problem:
        # The gateway would refuse such a request as well; the URL is not repeated.
        msg = f"the URL has no single meaning, and the gateway would refuse it: {problem}"
        raise ExplainError(msg) from problem


def _notes(key: UrlKey, network: Network) -> Iterator[str]:
    """What the gateway refuses before it asks the policy."""
    port = key.port
    if key.scheme in {"https", "wss", ""}:
        if port not in network.allow_ports:
            yield f"port {port} is refused whatever the policy says: see network.allow_ports"
    elif not any(first <= port <= last for first, last in network.allow_http_ports):
        yield f"port {port} is refused whatever the policy says: see network.allow_http_ports"
    if key.is_address:
        address = ip_address(key.host)
        inside = any(address in each for each in network.intranet_networks)
        denied = next((each for each in network.deny_destinations if address in each), None)
        if denied is not None and not inside:
            yield f"{denied} is refused whatever the policy says: see network.deny_destinations"


def _exempt_only(decision: Decision, settings: Settings) -> Iterator[str]:
    """That a profile is nobody's without a live exemption."""
    otherwise = settings.policy.otherwise.get(decision.profile)
    if otherwise is not None:
        yield f"{decision.profile} holds with a live exemption only; without one, {otherwise} does"


def _person(args: argparse.Namespace, settings: Settings) -> Person:
    policy = settings.policy
    if args.user is not None:
        people = {entry.person: entry.profile for entry in settings.identity.addresses}
        if args.user not in people:
            hint = nearest(args.user, people)
            msg = (
                f"identity.addresses has no person {args.user!r}{hint}. For people of the directory"
                " `watchhouse whois` says the profile, for --profile"
            )
            raise ExplainError(msg)
        return Person(args.user, "address", people[args.user])
    profile = DEFAULT_PROFILE if args.profile is None else args.profile
    if profile not in policy.profiles:
        hint = nearest(profile, policy.profiles)
        raise ExplainError(f"policy.yaml has no profile {profile!r}{hint}")
    return Person(None, "explain", profile)
