"""The steps of `watchhouse exemption`.

In: parsed arguments; who sits at the terminal. Out: the record that the portal's pages leave too.
Must never: do what the register's rules refuse.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from proxy_addons.categorisation import CategoryIndex, CategoryIndexError
from proxy_addons.cli.acting import actor_of
from proxy_addons.cli.common import known_categories, settings_of
from proxy_addons.cli.standing import OK, opened, register_of, until
from proxy_addons.standing import Wanted

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    from proxy_addons.settings.model import Settings
    from proxy_addons.standing import Actor, Exemption, Register

type _Step = Callable[[argparse.Namespace, Register, Actor, int, Settings], Exemption]


def request(args: argparse.Namespace) -> int:
    """Ask for an exemption."""
    settings = settings_of(args)
    zone = settings.policy.time_zone
    wanted = Wanted(
        person=args.name,
        why=args.why,
        begins=args.begins.begin(zone) if args.begins else datetime.now(UTC),
        ends=args.ends.end(zone),
        everything=args.everything,
        categories=frozenset(args.category),
        force_reference=args.reference,
        significant=args.significant,
        review_at=args.review.begin(zone) if args.review else None,
    )
    known = _known_categories(settings)
    with opened(settings) as store:
        register = register_of(store, settings, known)
        found = register.request(actor_of(settings), wanted)
    print(
        f"{found.reference}: requested for {found.person}, {found.opens}, until"
        f" {until(found.ends, zone)}. It holds once a second person has approved it:"
        f" watchhouse exemption approve {found.reference}"
    )
    return OK


def _known_categories(settings: Settings) -> frozenset[str] | None:
    """The categories of the compiled index, which the gateway goes by; else of the lists."""
    try:
        return CategoryIndex.open(settings.paths.index_file).categories
    except CategoryIndexError:
        # There is none yet; the lists say the same, more slowly.
        return known_categories(settings.paths)


def step(args: argparse.Namespace, name: str) -> int:
    """Take one of `STEPS`."""
    settings = settings_of(args)
    zone = settings.policy.time_zone
    actor = actor_of(settings)
    with opened(settings) as store:
        register = register_of(store, settings)
        seen = args.seen if args.seen is not None else register.get(args.reference).revision
        found = _STEPS[name](args, register, actor, seen, settings)
        last = register.steps(found.reference)[-1]
    state = found.state_at(datetime.now(UTC))
    asked = ""
    if found.extension_ends is not None:
        asked = f"; an extension until {until(found.extension_ends, zone)} waits for approval"
    print(
        f"{found.reference}: {last.kind} by {last.who}; {state}, {found.opens} for {found.person}"
        f" until {until(found.ends, zone)}{asked}"
    )
    return OK


def _approve(
    args: argparse.Namespace, register: Register, actor: Actor, seen: int, _: Settings
) -> Exemption:
    return register.approve(
        actor, args.reference, seen=seen, note=args.note, escalated_to=args.escalated_to
    )


def _refuse(
    args: argparse.Namespace, register: Register, actor: Actor, seen: int, _: Settings
) -> Exemption:
    return register.refuse(actor, args.reference, seen=seen, why=args.why)


def _extend(
    args: argparse.Namespace, register: Register, actor: Actor, seen: int, settings: Settings
) -> Exemption:
    ends = args.ends.end(settings.policy.time_zone)
    return register.extend(actor, args.reference, seen=seen, ends=ends, why=args.why)


def _escalate(
    args: argparse.Namespace, register: Register, actor: Actor, seen: int, _: Settings
) -> Exemption:
    return register.escalate(actor, args.reference, seen=seen, to=args.to, note=args.note)


def _review(
    args: argparse.Namespace, register: Register, actor: Actor, seen: int, settings: Settings
) -> Exemption:
    next_at = args.next_at.begin(settings.policy.time_zone) if args.next_at else None
    return register.review(actor, args.reference, seen=seen, note=args.note, next_at=next_at)


def _revoke(
    args: argparse.Namespace, register: Register, actor: Actor, seen: int, _: Settings
) -> Exemption:
    return register.revoke(actor, args.reference, seen=seen, why=args.why)


_STEPS: Final[Mapping[str, _Step]] = {
    "approve": _approve,
    "refuse": _refuse,
    "extend": _extend,
    "escalate": _escalate,
    "review": _review,
    "revoke": _revoke,
}
STEPS = tuple(_STEPS)
