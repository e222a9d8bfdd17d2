"""`watchhouse explain`: who asks, from where and with what, as far as rules look at it.

In: options of the command line, the settings. Out: a person and what is known of the client.
Must never: take what was not said for something that is so: it is not known, and the notes say it.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple

from proxy_addons.policy.measures import over, sizes_of, typed
from proxy_addons.policy.people import canonical_name
from proxy_addons.settings.condition_values import group_text, size_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from proxy_addons.policy.model import Person
    from proxy_addons.settings.model import Settings

_TUNNEL = "CONNECT"
SENDING = frozenset({"POST", "PUT", "PATCH"})
"""Methods with which a file is one that is sent."""


class About(NamedTuple):
    """What was said of a request besides its address.

    Attributes:
        client: numeric address; None: not said.
        user_agent: what the program says of itself, "" nothing; None: not said.
        known: the same as rules see it (`Policy.about`).
        found: what rules find of the size and the declared type that were said.
        notes: what rules look at, and was not said.
    """

    client: str | None
    user_agent: str | None
    known: frozenset[str]
    found: frozenset[str]
    notes: tuple[str, ...]


def add_about(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--person",
        metavar="NAME",
        help="as if proven to be this person",
    )
    parser.add_argument(
        "--group",
        metavar="NAME",
        action="append",
        default=None,
        help="as if in this group of the directory; may be repeated (default: not known)",
    )
    parser.add_argument(
        "--client",
        metavar="ADDRESS",
        help="as if from this client address (default: that of --user, else not known)",
    )
    parser.add_argument(
        "--user-agent",
        metavar="TEXT",
        help="as if the program says this of itself (default: nothing; with --method CONNECT, not"
        " known)",
    )

    parser.add_argument(
        "--upload-size",
        metavar="SIZE",
        help="as if so much were sent: bytes, or such as 10MB (kB, MB, GB)",
    )


def findings_of(args: argparse.Namespace, settings: Settings) -> frozenset[str]:
    """What rules find of the size and of the declared type that were given.

    Raises:
        ValueError: what was given is no size; the message says so.
    """
    looked_for = settings.policy.findings
    found = frozenset[str]()
    if args.upload_size is not None:
        found |= over(size_of(args.upload_size), sizes_of(looked_for))
    if args.content_type is not None and args.method.upper() not in SENDING:
        found |= typed(args.content_type, looked_for)
    return found


def person_of(args: argparse.Namespace, person: Person) -> Person:
    """A person with the name and the groups that were given.

    Raises:
        ValueError: what was given is no name; the message says why.
    """
    groups = None if args.group is None else frozenset(map(group_text, args.group))
    name = person.name if args.person is None else canonical_name(args.person)
    return replace(person, name=name, groups=groups)


def about_of(args: argparse.Namespace, settings: Settings, method: str) -> About:
    """What is known of client and program.

    Raises:
        ValueError: the client is no address, or the size none; the message says so.
    """
    policy = settings.policy
    client = args.client
    if client is not None:
        client = str(ip_address(client))
    elif args.user is not None:
        entry = next(each for each in settings.identity.addresses if each.person == args.user)
        client = str(entry.network.network_address)
    agent = args.user_agent
    if agent is None and method != _TUNNEL:
        agent = ""
    known = policy.about(client, agent)
    found, notes = findings_of(args, settings), tuple(_unsaid(client, agent, known))
    return About(client, agent, known, found, notes)


def _unsaid(client: str | None, agent: str | None, known: frozenset[str]) -> Iterator[str]:
    against = "rules that allow do not match by it, all others do"
    if client is None and any(token.startswith("?+clients ") for token in known):
        yield f"the client's address is not known (--client): {against}"
    if agent is None and any(token.startswith("?+user_agent ") for token in known):
        yield f"the program is not known (--user-agent): {against}"
