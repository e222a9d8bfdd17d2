"""The rules of the queue of alerts: what a step needs, and why it is refused.

In: who acts, what the alert is. Out: nothing, or a value made canonical; or `StepRefusedError`.
Must never: change anything; let somebody act on an alert about themselves.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from proxy_addons.audit.alerts.model import OUTCOMES, AlertState
from proxy_addons.standing.actor import PSD
from proxy_addons.standing.problems import StepRefusedError

if TYPE_CHECKING:
    from proxy_addons.audit.alerts.model import QueuedAlert
    from proxy_addons.standing.actor import Actor

CLAUSE: Final = "Inf/27 4.2"
_REFERENCE: Final = re.compile(r"[A-Z]{1,4}-\d{4}-\d{4,8}", re.ASCII)


def may_act(actor: Actor, found: QueuedAlert, doing: str) -> None:
    """Professional standards, by their role, and nobody on an alert about themselves."""
    if PSD not in actor.roles:
        raise StepRefusedError(
            "role",
            f"Only professional standards may {doing}, and you do not have that role.",
            CLAUSE,
        )
    if not may_see(actor.name, found):
        raise StepRefusedError("own", "Nobody acts on an alert about themselves.", CLAUSE)


def may_see(name: str, found: QueuedAlert) -> bool:
    """Whether it is about somebody else."""
    return found.person is None or found.person.casefold() != name.casefold()


def new(found: QueuedAlert) -> None:
    """It was not taken note of yet."""
    if found.state is not AlertState.NEW:
        raise StepRefusedError("state", f"{found.reference} was taken note of already.")


def undecided(found: QueuedAlert) -> None:
    """It is not closed."""
    if found.state is AlertState.CLOSED:
        raise StepRefusedError("state", f"{found.reference} is closed already.")


def outcome(code: str) -> str:
    """One of the codes."""
    if code not in OUTCOMES:
        raise StepRefusedError("outcome", "Choose what came of it.")
    return code


def reference(text: str) -> str:
    """A reference of an authorisation in its canonical form."""
    found = text.strip().upper()
    if _REFERENCE.fullmatch(found) is None:
        raise StepRefusedError(
            "authorisation", "Enter the reference of the application, such as AU-2026-0001."
        )
    return found
