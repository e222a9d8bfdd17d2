"""Cases of what the policy decides, carried out.

In: cases (settings/cases_file.py), settings, the category index.
Out: for each case what was decided, and why where that is not what was wanted.
Must never: decide by other means than the gateway, or take a case that could not be run for one
that is met.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from proxy_addons.gate.judge import judge
from proxy_addons.gate.names import with_carried
from proxy_addons.policy.cache import Decider
from proxy_addons.policy.decide import decide
from proxy_addons.policy.explain import NOT_REACHED
from proxy_addons.policy.model import REFUSALS, Moment, Person, Resource
from proxy_addons.policy.retry import retry_ahead, spans
from proxy_addons.policy.states import as_given
from proxy_addons.settings.case_facts import FACTS, WISHES, Part, rules_in
from proxy_addons.settings.cases_file import Case, read_cases
from proxy_addons.settings.tree import read
from proxy_addons.urlkey.carriers import CarriedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from proxy_addons.categorisation import CategoryIndex
    from proxy_addons.policy.compiled import Policy
    from proxy_addons.policy.model import Decision
    from proxy_addons.settings.model import Settings
    from proxy_addons.settings.problems import Report

PROFILE: Final = "standard"
"""Of a case that names none."""
_PERSON: Final[dict[str, Any]] = {"name": "somebody", "how": "test", "profile": PROFILE}
_SPAN = 9
"""Years that a policy knows bank holidays for after the one it was loaded for, less one, as a
moment from which something is allowed may lie in the next (settings/bank_holidays.py)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a case.

    Attributes:
        case: the case.
        rules: ids of the rules that it shows to be carried out; none where it could not be run.
        differs: in what, as (fact, wanted, got), each for people; empty: as was wanted.
        why: of the rules that matter, by id, what matched or did not.
        not_run: why it could not be run; empty where it was.
    """

    case: Case
    rules: tuple[str, ...] = ()
    differs: tuple[tuple[str, str, str], ...] = ()
    why: tuple[tuple[str, str], ...] = ()
    not_run: str = ""

    @property
    def met(self) -> bool:
        """Whether it was run, and all is as wanted."""
        return not self.not_run and not self.differs


def cases_of(path: Path, policy: Policy, report: Report) -> tuple[Case, ...]:
    """The cases of a file; its problems go into the report."""
    try:
        data = path.read_bytes()
    except OSError as problem:
        # Nothing is tested: whoever asked for it is told, and why.
        report.add(str(path), "", f"cannot be read: {problem.strerror}")
        return ()
    root = read(data, str(path), report)
    return () if root is None else read_cases(root, report, policy)


def tested(
    cases: Iterable[Case],
    settings_of: Callable[[datetime], Settings],
    index: CategoryIndex | None,
) -> Iterator[Outcome]:
    """Carry out cases.

    Args:
        cases: in order.
        settings_of: the settings, with the bank holidays around a moment.
        index: for cases that name an address; None: they cannot be run.
    """
    known: list[tuple[int, Settings]] = []
    for case in cases:
        year = case.at.year
        settings = next((each for first, each in known if first <= year <= first + _SPAN), None)
        if settings is None:
            settings = settings_of(case.at)
            known.append((year, settings))
        yield outcome(case, settings, index)


def outcome(case: Case, settings: Settings, index: CategoryIndex | None) -> Outcome:
    """Carry out one case."""
    policy, moment = settings.policy, Moment(case.at)
    parts = _parts(case)
    person = Person(**{**_PERSON, "states": as_given(()), **parts[Part.PERSON]})
    findings: frozenset[str] = parts[Part.BODY].get("findings", frozenset())
    key, categories, splice = case.key, case.categories, None
    said = {"client": None, "user_agent": "", **parts[Part.ABOUT]}
    asked: dict[str, Any] = {**parts[Part.RESOURCE], "about": policy.about(**said)}
    if categories is None:
        if index is None:
            return Outcome(case, not_run="there are no lists: `watchhouse categories compile`")
        try:
            keys = with_carried((key,), settings.carriers)
        except CarriedError as problem:
            # The gateway refuses it before the policy is asked: no case for the policy.
            return Outcome(case, not_run=f"the gateway refuses it as inner-address: {problem}")
        method = asked.get("method", "GET")
        judged = judge(Decider(policy), index, person, keys, method, moment, about=asked["about"])
        key, categories, splice = judged.key, index.lookup(judged.key), judged.splice
    resource = Resource(key, categories, **asked)
    decision = decide(policy, person, resource, moment, findings=findings)
    at, ended = decision.retry_at, frozenset[str]()
    if case.then and decision.action in REFUSALS:
        here = policy.local(moment)
        ahead = spans(here, person.states, case.then)
        retry = retry_ahead(policy, policy.facts(person, resource), here, ahead)
        at, ended = (None, ended) if retry is None else retry
    if splice is not None:
        decision = replace(decision, inspect=not splice)
    differs = tuple(_differs(case, decision, at, ended))
    why: tuple[tuple[str, str], ...] = ()
    if differs:
        traced = decide(policy, person, resource, moment, findings=findings, trace=True)
        why = tuple(_why(case, traced))
    return Outcome(case, rules_in(decision), differs, why)


def _parts(case: Case) -> dict[Part, dict[str, Any]]:
    parts: dict[Part, dict[str, Any]] = {part: {} for part in Part}
    for fact in FACTS:
        if fact.name in case.facts:
            parts[fact.part][fact.field] = case.facts[fact.name]
    return parts


def _differs(
    case: Case, decision: Decision, at: datetime | None, ended: frozenset[str]
) -> Iterator[tuple[str, str, str]]:
    """What is not as it was wanted."""
    wanted, got = f"{case.action} {case.rule}", f"{decision.action} {decision.rule}"
    if wanted != got:
        yield "want", wanted, got
    if (at and at.timestamp()) != (case.retry_at and case.retry_at.timestamp()):
        yield "retry_at", _time(case.retry_at), _time(at)
    if ended != case.ended:
        yield "ended", _listed(case.ended), _listed(ended)
    for wish in WISHES:
        asked, found = case.wishes[wish.name], wish.got(decision)
        if asked != found:
            yield wish.name, _said(asked), _said(found)


def _why(case: Case, decision: Decision) -> Iterator[tuple[str, str]]:
    """Of the trace, the rule that decided, the one that was wanted to, and those that coach."""
    for step in decision.trace:
        if step.matched or step.rule == case.rule or "coach" in step.why:
            reached = "not reached, as a rule before it decided"
            yield step.rule, reached if step.why == NOT_REACHED else step.why


def _time(moment: datetime | None) -> str:
    return "never" if moment is None else f"{moment.isoformat()} ({moment:%A})"


def _said(value: Any) -> str:
    if isinstance(value, (frozenset, tuple, list)):
        return _listed(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value) or "none"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which rules and clauses cases decide.

    Attributes:
        rules: rule id → its clause, and how many cases it decides as wanted.
        clauses: clause → how many cases.
    """

    rules: dict[str, tuple[str, int]]
    clauses: dict[str, int]

    @property
    def uncovered(self) -> tuple[str, ...]:
        """The rules that no case decides."""
        return tuple(rule for rule, (_, number) in self.rules.items() if not number)


def coverage(policy: Policy, outcomes: Iterable[Outcome]) -> Coverage:
    """Which rules and clauses the cases that are met decide."""
    rules = {rule.id: (rule.clause, 0) for rule in policy.rules}
    clauses = dict.fromkeys((rule.clause for rule in policy.rules if rule.clause), 0)
    for each in outcomes:
        if not each.met:
            continue
        about = set[str]() if not each.case.clause else {each.case.clause}
        for rule in each.rules:
            if rule in rules:
                clause, number = rules[rule]
                rules[rule] = (clause, number + 1)
                about |= {clause} if clause else set()
        for clause in about:
            clauses[clause] = clauses.get(clause, 0) + 1
    return Coverage(rules, clauses)
