"""Logged questions, asked again: of another policy, or with other lists.

In: questions of the log (accesslog/replay.py); a policy, the categories that lists give.
Out: what it decides; or why it cannot be said.
Must never: ask with more than the record has. Who asked, and from where, is not among it, so that
nobody can find out what one person did by a policy that names them (docs/adr/0047).
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from proxy_addons.accesslog.replay import Answer
from proxy_addons.policy.atoms import CLIENTS, GROUPS, PERSONS, URL, URL_MATCHES, USER_AGENT
from proxy_addons.policy.decide import NO_RULE_MATCHED, THREAT_NOT_EXEMPTED, decide_facts
from proxy_addons.policy.findings import CONTENT_TYPE, parted
from proxy_addons.policy.measures import typed
from proxy_addons.policy.model import RESERVED_RULES, Action, Moment, Person, Resource
from proxy_addons.urlkey import UrlKey, UrlKeyError, url_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from proxy_addons.accesslog.replay import Asked
    from proxy_addons.policy.compiled import Facts, Policy
    from proxy_addons.policy.model import Decision

_OF_THE_POLICY: Final = frozenset({NO_RULE_MATCHED, THREAT_NOT_EXEMPTED})
_OF_URLS: Final = (URL, URL_MATCHES)
_NOT_REPLAYED: Final = (PERSONS, GROUPS, CLIENTS, USER_AGENT)
"""Conditions on who asks, and from where, are not replayed; groups and programs no record has."""
_TUNNELS: Final = frozenset({"connect", "tunnel"})

# --- moments ------------------------------------------------------------------------------------


@dataclass(slots=True)
class Spans:
    """A period as spans in which the time spaces of some policies say the same.

    Attributes:
        begins: from when on which kind of moment it is, in order; the first not after the period.
        moments: a moment of each kind.
    """

    begins: list[tuple[datetime, int]] = field(default_factory=list)
    moments: list[datetime] = field(default_factory=list)


def spans_of(policies: tuple[Policy, ...], since: datetime, until: datetime) -> Spans:
    """The spans of a period.

    What time spaces say changes at one of their edges, at midnight, or with the clocks; these
    change at whole quarters of an hour of UTC, wherever they do.

    Args:
        policies: whose time spaces count.
        since: aware.
        until: aware.
    """
    found, kinds = Spans(), dict[tuple[bool, ...], int]()
    last: int | None = None
    for moment in _edges(policies, since, until):
        said = tuple(
            space.holds(policy.reading(policy.local(Moment(moment))))
            for policy in policies
            for space in policy.time_spaces.values()
        )
        kind = kinds.setdefault(said, len(kinds))
        if kind == len(found.moments):
            found.moments.append(moment)
        if kind != last:
            found.begins.append((moment, kind))
            last = kind
    return found


def _edges(policies: tuple[Policy, ...], since: datetime, until: datetime) -> list[datetime]:
    first, end = since.astimezone(UTC), until.astimezone(UTC)
    quarter = timedelta(minutes=15)
    begins = first.replace(minute=0, second=0, microsecond=0)
    found = {first, *(begins + quarter * n for n in range(int((end - begins) / quarter) + 1))}
    for policy in policies:
        minutes = frozenset[int]().union(
            *(space.boundaries for space in policy.time_spaces.values())
        )
        zone, day = policy.time_zone, (first - timedelta(days=1)).date()
        while day <= (end + timedelta(days=1)).date():
            midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - on the wall
            for minute in minutes:
                wall = midnight + timedelta(minutes=minute)
                found |= {wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
            day += timedelta(days=1)
    return sorted(each for each in found if first <= each < end)


# --- questions ----------------------------------------------------------------------------------


class Asker:
    """Asks a policy what the log's records asked.

    Args:
        policy: that decides.
        moments: a moment of each kind (`Spans.moments`).
        categories: of an address, in place of the record's; None: as the record says.
    """

    def __init__(
        self,
        policy: Policy,
        moments: Sequence[datetime],
        categories: Callable[[UrlKey], frozenset[str]] | None = None,
    ) -> None:
        self.policy = policy
        self._moments = [policy.local(Moment(moment)) for moment in moments]
        self._categories = categories
        self._unknown = frozenset(
            leaf.atom.token(sign)
            for rule in policy.rules
            for kind in _NOT_REPLAYED
            for leaf in rule.leaves(kind)
            if leaf.atom is not None
            for sign in ("+", "-", "?+", "?-")
        )
        self._decided: dict[tuple[int, Facts], Decision | None] = {}

    def decide(self, asked: Asked) -> Decision:
        """What it decides.

        Raises:
            ValueError: the record has no address that can be judged, or it turns on what is not
                replayed.
        """
        policy, key = self.policy, key_of(asked)
        given = asked.categories if self._categories is None else self._categories(key)
        person = Person(None, "replay", asked.profile, states=asked.states)
        findings = asked.findings | typed(asked.content_type, policy.findings)
        facts = policy.facts(person, Resource(key, given, asked.method), findings)
        question = (asked.span, facts)
        if question not in self._decided:
            self._decided[question] = self._certain(facts, self._moments[asked.span])
        found = self._decided[question]
        if found is None:
            raise ValueError(UNCERTAIN)
        return found

    def _certain(self, facts: Facts, local: datetime) -> Decision | None:
        """What is decided whatever is true of what is not replayed; None where it turns on that.

        Conditions have no `not` but at their leaves, and these look for tokens: of more tokens more
        are met. So where the same rule decides with none of them and with all, it always does.
        """
        least = decide_facts(self.policy, facts._replace(atoms=facts.atoms - self._unknown), local)
        if not self._unknown:
            return least
        most = decide_facts(self.policy, facts._replace(atoms=facts.atoms | self._unknown), local)
        return least if (least.rule, least.action) == (most.rule, most.action) else None


def looked_at(policies: Iterable[Policy]) -> tuple[str, ...]:
    """Columns of `OPTIONAL` that policies look at."""
    found = set()
    for policy in policies:
        leaves = (leaf for rule in policy.rules for kind in _OF_URLS for leaf in rule.leaves(kind))
        if any(True for _ in leaves):
            found.add("url")
        kinds = {parted(each)[0] for each in policy.findings}
        if CONTENT_TYPE in kinds:
            found.add("content_type")
    return tuple(sorted(found))


UNCERTAIN: Final = "it turns on who asks, from where or with which program, which is not replayed"


def words(decision: Decision) -> str:
    """A decision as `block webmail`."""
    return f"{decision.action} {decision.rule}"


def key_of(asked: Asked) -> UrlKey:
    """The address that decided.

    Raises:
        ValueError: the record has none.
    """
    host = asked.judged_host or asked.host
    if not host:
        raise ValueError("the record has no host")
    if asked.kind in _TUNNELS:
        return UrlKey("", host, asked.port or 443, "", is_address=":" in host or _is_ip(host))
    if asked.url and host == asked.host:
        try:
            return url_key(asked.url)
        except UrlKeyError as problem:
            raise ValueError("the record's address has no single meaning") from problem
    scheme = "http" if asked.kind == "http" else "https"
    return UrlKey(scheme, host, asked.port or 443, "/", is_address=":" in host or _is_ip(host))


def _is_ip(host: str) -> bool:
    return host.replace(".", "").isdigit()


def why_not(asked: Asked) -> str:
    """Why a question cannot be asked again; empty where it can."""
    if not asked.rule or not asked.action:
        return "nothing was decided"
    if asked.rule in RESERVED_RULES - _OF_THE_POLICY:
        return f"the gateway decided without the policy ({asked.rule})"
    if asked.altered:
        return "the record was cut"
    if not asked.profile or not (asked.host or asked.judged_host):
        return "the record has no profile or no host"
    return ""


def reproduces(asked: Asked, decision: Decision) -> bool:
    """Whether a decision is the one that was logged.

    What was coached and confirmed is logged as allowed by the rule that coaches.
    """
    if decision.rule != asked.rule:
        return False
    if decision.action == asked.action:
        return True
    return decision.action is Action.COACH and asked.action == Action.ALLOW


def answer(asked: Asked, present: Asker, new: Asker, as_logged: Asker, version: str) -> Answer:
    """What becomes of a question, from what holds now to what would hold.

    Args:
        asked: the question.
        present: what holds now.
        new: what would hold.
        as_logged: what holds now, with the categories of the record: what was logged under the
            present configuration has to come out the same, or the replay says nothing of it.
        version: of the present configuration.
    """
    why = why_not(asked)
    if not why and asked.exemption and asked.profile not in present.policy.otherwise:
        why = "it rests on an exemption of categories, which the record does not name"
    if why:
        return Answer(asked.number, "", "", why)
    try:
        if asked.policy_version == version:
            logged = as_logged.decide(asked)
            if not reproduces(asked, logged):
                several = "it went by several addresses" if asked.judged_host else NOT_REPRODUCED
                return Answer(asked.number, "", "", several)
        return Answer(asked.number, words(present.decide(asked)), words(new.decide(asked)))
    except ValueError as problem:
        # Nothing is decided of a record without an address; it is counted.
        return Answer(asked.number, "", "", str(problem))


NOT_REPRODUCED: Final = "the present policy decides otherwise than was logged under it"


# --- progress -----------------------------------------------------------------------------------

_EVERY: Final = 2000


def counted[T](each: Iterable[T], whole: int, told: Callable[[int, int], None]) -> Iterator[T]:
    """The same, telling how many of how many now and then."""
    for done, one in enumerate(each):
        if done % _EVERY == 0:
            told(done, whole)
        yield one
    told(whole, whole)


@contextmanager
def progress_of(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error, gone once it is done; yields what is to be told how far it is."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, whole: progress.update(task, completed=done, total=whole)
