"""`watchhouse whois NAME`: what the gateway knows of somebody, and what that gives.

In: a login name; the configuration, the directory, the registers. Out: text for a terminal.
Must never: decide by other means than the gateway (gate/people.py), or change anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from proxy_addons.cli.common import add_common, settings_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from proxy_addons.identity.entries import Entry
    from proxy_addons.settings.model import Settings
    from proxy_addons.standing import Exemption, Snapshot, Withdrawal


class _Way(NamedTuple):
    """One way in which the gateway may know the person."""

    words: str
    how: str
    profile: str
    why: str


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "whois",
        help="say what the gateway knows of somebody, and which profile that gives",
        description="Say what the gateway knows of somebody: the directory's entry, groups,"
        " exemption, withdrawal; which profile that gives, and why.",
    )
    parser.add_argument("name", metavar="NAME", help="login name")
    add_common(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from proxy_addons.cli import standing

    return standing.explained(lambda: _run(args))


def _run(args: argparse.Namespace) -> int:
    from datetime import UTC, datetime

    from proxy_addons.cli.acting import entries_of
    from proxy_addons.cli.standing import OK, console, facts, opened, register_of
    from proxy_addons.standing import Withdrawals
    from proxy_addons.standing.rules import name_of
    from proxy_addons.standing.snapshot import read

    settings, now = settings_of(args), datetime.now(UTC)
    name = name_of(args.name)
    entries = entries_of(settings.directory, [name])
    with opened(settings) as store:
        with store.reading() as connection:
            snapshot = read(connection)
        exemptions = register_of(store, settings).all(name)
        withdrawal = Withdrawals(store).in_force(name)
    console().print(
        facts(
            (
                ("name", name),
                *_directory(settings, entries, name),
                *_registers(settings, exemptions, withdrawal, now),
                *_ways_shown(settings, entries, name, snapshot, now),
            )
        )
    )
    return OK


def _directory(
    settings: Settings, entries: Mapping[str, Entry | None], name: str
) -> Iterator[tuple[str, str]]:
    if not settings.directory.servers:
        yield "directory", "none is set up"
        return
    if name not in entries:
        yield "directory", "does not answer; a gateway may still go by what it asked before"
        return
    entry = entries[name]
    if entry is None:
        yield "directory", "knows no such person"
        return
    yield "display name", entry.display or ""
    yield "kind", entry.kind or ""
    yield "unit", entry.unit or ""
    yield "line manager", entry.manager or ""
    yield "groups", ", ".join(sorted(entry.groups)) or "none"


def _registers(
    settings: Settings,
    exemptions: tuple[Exemption, ...],
    withdrawal: Withdrawal | None,
    now: datetime,
) -> Iterator[tuple[str, str]]:
    from proxy_addons.cli.standing import moment, until
    from proxy_addons.standing import State

    zone = settings.policy.time_zone
    if withdrawal is not None:
        yield (
            "withdrawn",
            (
                f"{withdrawal.reference}, {moment(withdrawal.withdrawn_at, zone)} by"
                f" {withdrawal.withdrawn_by}: {withdrawal.reason}"
            ),
        )
    shown = False
    for each in exemptions:
        state = each.state_at(now)
        if state in {State.LIVE, State.UPCOMING, State.REQUESTED}:
            shown = True
            yield (
                "exemption",
                (
                    f"{each.reference}, {state}: {each.opens}, from {moment(each.begins, zone)} "
                    f"until {until(each.ends, zone)}"
                ),
            )
    if not shown:
        yield "exemption", "none that holds or waits"


def _ways_shown(
    settings: Settings,
    entries: Mapping[str, Entry | None],
    name: str,
    snapshot: Snapshot,
    now: datetime,
) -> Iterator[tuple[str, str]]:
    from proxy_addons.gate.people import person_of

    policy = settings.policy
    live = snapshot.exemption(name, now)
    found = False
    for way in _ways(settings, entries, name):
        found = True
        person = person_of(
            name,
            way.how,
            way.profile,
            policy=policy,
            snapshot=snapshot,
            age=0.0,
            stale=settings.standing.stale,
            now=now.timestamp(),
        ).person
        why = [way.why]
        if name in snapshot.withdrawn:
            why = [f"access is withdrawn by {snapshot.withdrawn[name]}, which beats all else"]
        elif live is not None and live.everything and person.profile != way.profile:
            why.append(f"exemption {live.reference} is for everything")
        elif person.profile != way.profile:
            why.append(f"{way.profile} holds only with a live exemption for everything")
        opened = ""
        if person.exempted:
            opened = f"; {person.exemption} opens {', '.join(sorted(person.exempted))}"
        yield way.words, f"profile {person.profile}: {'; '.join(why)}{opened}"
    if not found:
        yield (
            "profile",
            f"{policy.strictest_profile}: nobody can sign in, and no address is this person's",
        )


def _ways(settings: Settings, entries: Mapping[str, Entry | None], name: str) -> Iterator[_Way]:
    from proxy_addons.policy.people import canonical_name

    identity = settings.identity
    if identity.challenges:
        yield _signed_in(settings, entries, name)
    if "addresses" in identity.order:
        for each in identity.addresses:
            if canonical_name(each.person) == name:
                yield _Way(
                    f"at {each.network}", "address", each.profile, "identity.addresses says so"
                )


def _signed_in(settings: Settings, entries: Mapping[str, Entry | None], name: str) -> _Way:
    from proxy_addons.gate.people import GroupProfiles

    identity, strictest = settings.identity, settings.policy.strictest_profile
    how = next(each for each in identity.order if each in {"kerberos", "basic"})
    default = identity.default_profile or strictest
    entry = entries.get(name)
    groups = frozenset() if entry is None else entry.groups
    if settings.directory.servers and entry is None:
        # As in the gate: a proven name of which nothing else is known.
        return _Way("signed in", how, strictest, "the directory says nothing of this person")
    profile = GroupProfiles(identity.profiles, default).of(groups)
    for each in identity.profiles:
        if {group.casefold() for group in each.groups} <= groups:
            return _Way("signed in", how, profile, f"in {' and '.join(each.groups)}")
    if identity.default_profile is None:
        return _Way("signed in", how, profile, "in no group of identity.profiles")
    return _Way("signed in", how, profile, "identity.default_profile; no group gives another")
