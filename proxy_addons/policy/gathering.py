"""What the conditions of all rules name together, so that facts hold nothing else.

In: rules. Out: names; the atoms (atoms.py) with what the rules that name them ask for besides.
Must never: leave out what a rule names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_addons.policy.atoms import Atoms, Guard

if TYPE_CHECKING:
    from collections.abc import Iterable

    from proxy_addons.policy.atoms import Atom, Compile, Search
    from proxy_addons.policy.compiled import Rule


def uncompiled(expression: str) -> Search:
    """Of a policy that was built without what reads expressions.

    Raises:
        ValueError: always. Nothing is built.
    """
    msg = f"nothing reads the expression {expression!r}"
    raise ValueError(msg)


def deeper(rules: Iterable[Rule], kind: str) -> frozenset[str]:
    """The names that conditions of a kind have below the top of rules."""
    return frozenset(name for rule in rules for leaf in rule.leaves(kind) for name in leaf.meant)


def atoms_of(rules: Iterable[Rule], compiled: Compile, strictest: str) -> Atoms | None:
    """The atoms of a policy; None where no rule names one.

    Args:
        rules: of the policy.
        compiled: makes a matcher of an expression.
        strictest: the strictest profile.
    """
    guards: dict[Atom, list[Guard]] = {}
    for rule in rules:
        for leaf in () if rule.also is None else rule.also.leaves():
            if leaf.atom is not None:
                guards.setdefault(leaf.atom, []).append(Guard(rule.hosts, rule.categories))
    return Atoms(guards, compiled, strictest) if guards else None
