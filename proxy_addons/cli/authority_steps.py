"""The steps of `watchhouse authority`.

In: parsed arguments; who sits at the terminal. Out: the record that the portal's pages leave too.
Must never: do what the register's rules refuse.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from proxy_addons.audit.authority.model import SubjectClass
from proxy_addons.audit.authority.offices import offices_of
from proxy_addons.audit.authority.register import Authorisations
from proxy_addons.audit.authority.rules import listed
from proxy_addons.cli.acting import actor_of, entries_of
from proxy_addons.cli.authority_file import read_application
from proxy_addons.cli.common import settings_of
from proxy_addons.cli.standing import OK, moment, opened, until
from proxy_addons.policy.people import canonical_name
from proxy_addons.standing import StepRefusedError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Mapping

    from proxy_addons.audit.authority.colleagues import Unit
    from proxy_addons.audit.authority.model import Authorisation, Wanted
    from proxy_addons.settings.model import Settings
    from proxy_addons.standing import Actor, Store

type _Step = Callable[[argparse.Namespace, Authorisations, Actor, int, Settings], Authorisation]


def acting(settings: Settings) -> Actor:
    """Who sits at the terminal, with roles and offices."""
    actor = actor_of(settings)
    entry = entries_of(settings.directory, (actor.name,)).get(actor.name)
    groups = frozenset() if entry is None else entry.groups
    return replace(actor, offices=offices_of(actor.name, groups, settings.audit.offices))


def authorisations_of(store: Store, settings: Settings) -> Authorisations:
    """The register."""
    return Authorisations(store, settings.audit, expanded=settings.policy.expanded)


def apply(args: argparse.Namespace) -> int:
    """Apply for an authorisation."""
    settings = settings_of(args)
    zone = settings.policy.time_zone
    try:
        wanted = read_application(args.file.read_bytes(), str(args.file), zone)
    except OSError as problem:
        # Nothing was applied for.
        raise StepRefusedError("file", f"{args.file}: {problem.strerror}.") from problem
    with opened(settings) as store:
        found = authorisations_of(store, settings).apply(
            acting(settings),
            wanted,
            known=classes_of(settings, wanted.subjects),
            unit=unit_in(settings, wanted),
        )
    who = "; and by ".join(map(listed, found.needs))
    print(
        f"{found.reference}: applied for, {found.kind}. It holds once it is approved by {who}:"
        f" watchhouse authority approve {found.reference}"
    )
    return OK


def classes_of(settings: Settings, names: Iterable[str]) -> dict[str, SubjectClass]:
    """What the directory says of people, in its words "officer" and "staff"."""
    asked = []
    for name in names:
        try:
            asked.append(canonical_name(name))
        except ValueError:
            # No name: the register says so.
            continue
    found = {}
    for name, entry in entries_of(settings.directory, asked).items():
        kind = "" if entry is None else (entry.kind or "").strip().casefold()
        if kind in set(SubjectClass):
            found[name] = SubjectClass(kind)
    return found


def unit_in(settings: Settings, wanted: Wanted) -> Unit | None:
    """The unit of the one subject, where a comparison with it is asked for."""
    from proxy_addons.audit.authority.colleagues import unit_of
    from proxy_addons.identity.entries import DirectorySettingsError, DirectoryUnavailableError
    from proxy_addons.identity.everybody import everybody

    if not wanted.comparison or len(wanted.subjects) != 1 or not settings.directory.servers:
        return None
    (subject,) = wanted.subjects
    try:
        return unit_of(canonical_name(subject), everybody(settings.directory))
    except (DirectorySettingsError, DirectoryUnavailableError) as problem:
        # Nothing was applied for: a unit of which some are missing is none.
        raise StepRefusedError("comparison", f"The directory gives nobody: {problem}.") from problem


def step(args: argparse.Namespace, name: str) -> int:
    """Take one of `STEPS`."""
    settings = settings_of(args)
    zone = settings.policy.time_zone
    actor = acting(settings)
    with opened(settings) as store:
        register = authorisations_of(store, settings)
        seen = args.seen
        if seen is None:
            seen = register.get(actor, args.reference).revision
        found = _STEPS[name](args, register, actor, seen, settings)
    state = found.state_at(datetime.now(UTC))
    waits = "; and by ".join(map(listed, found.missing))
    said = [f"{found.reference}: {name} by {actor.name}; {state}"]
    if found.renewal is not None:
        said.append(f"a renewal until {until(found.renewal.until, zone)} waits for {waits}")
    elif found.state == "requested" and waits:
        said.append(f"waits for {waits}")
    elif found.written_by is not None:
        said.append(f"to be confirmed in writing by {moment(found.written_by, zone)}")
    said.append(f"until {until(found.valid_until, zone)}")
    print(", ".join(said))
    return OK


def _approve(
    args: argparse.Namespace, register: Authorisations, actor: Actor, seen: int, _: Settings
) -> Authorisation:
    return register.approve(actor, args.reference, seen=seen, note=args.note)


def _orally(
    args: argparse.Namespace, register: Authorisations, actor: Actor, seen: int, settings: Settings
) -> Authorisation:
    at = args.at.begin(settings.policy.time_zone)
    return register.approve_orally(
        actor, args.reference, seen=seen, by=args.by, at=at, note=args.note
    )


def _write_up(
    args: argparse.Namespace, register: Authorisations, actor: Actor, seen: int, _: Settings
) -> Authorisation:
    return register.write_up(actor, args.reference, seen=seen, note=args.note)


def _refuse(
    args: argparse.Namespace, register: Authorisations, actor: Actor, seen: int, _: Settings
) -> Authorisation:
    return register.refuse(actor, args.reference, seen=seen, why=args.why)


def _withdraw(
    args: argparse.Namespace, register: Authorisations, actor: Actor, seen: int, _: Settings
) -> Authorisation:
    return register.withdraw(actor, args.reference, seen=seen, why=args.why)


def _cancel(
    args: argparse.Namespace, register: Authorisations, actor: Actor, seen: int, _: Settings
) -> Authorisation:
    return register.cancel(actor, args.reference, seen=seen, why=args.why)


def _renew(
    args: argparse.Namespace, register: Authorisations, actor: Actor, seen: int, settings: Settings
) -> Authorisation:
    ends = args.until.end(settings.policy.time_zone)
    return register.renew(actor, args.reference, seen=seen, until=ends, why=args.why)


def _review(
    args: argparse.Namespace, register: Authorisations, actor: Actor, seen: int, settings: Settings
) -> Authorisation:
    next_at = args.next.begin(settings.policy.time_zone) if args.next else None
    return register.review(actor, args.reference, seen=seen, note=args.note, next_at=next_at)


def _conflict(
    args: argparse.Namespace, register: Authorisations, actor: Actor, seen: int, _: Settings
) -> Authorisation:
    return register.declare_conflict(actor, args.reference, seen=seen, why=args.why)


_STEPS: Final[Mapping[str, _Step]] = {
    "approve": _approve,
    "orally": _orally,
    "write-up": _write_up,
    "refuse": _refuse,
    "withdraw": _withdraw,
    "cancel": _cancel,
    "renew": _renew,
    "review": _review,
    "conflict": _conflict,
}
STEPS = tuple(_STEPS)
