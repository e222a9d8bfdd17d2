"""One alert: what was counted, who was told, what was done about it, and the steps to take.

In: a visit, an alert, a form. Out: pages; a form as the register's step.
Must never: judge a step itself (the register asks its rules); show what somebody opened: an
application for an authorisation is one link away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, override
from urllib.parse import urlencode

from proxy_addons.audit.alerts import rules
from proxy_addons.audit.alerts.model import OUTCOMES, QueuedAlert
from proxy_addons.portal.psd.alerts import shown
from proxy_addons.portal.register.shown import moment_words, shown_step
from proxy_addons.portal.register.stepped import SteppedPages
from proxy_addons.portal.register.steps import Kind
from proxy_addons.standing.problems import StepRefusedError, UnknownReferenceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from proxy_addons.audit.alerts.model import Told
    from proxy_addons.portal.register.forms import Form
    from proxy_addons.portal.register.taking import Taken
    from proxy_addons.portal.signin.guard import Visit
    from proxy_addons.standing.actor import Actor
    from proxy_addons.standing.steps import Step

_KINDS: Final = {
    kind.name: kind
    for kind in (
        Kind("see", "Take note", "Take note", "It is noted that you have seen it."),
        Kind("request", "Note an application", "Note an application",
             "The application is noted.", look="second"),
        Kind("close", "Close", "Close", "It is closed.", look="second"),
    )
}  # fmt: skip
_FIELDS: Final = {
    "reason": "why",
    "length": "why",
    "text": "why",
    "outcome": "outcome",
    "authorisation": "authorisation",
}
_WAYS: Final = {"mail": "E-mail", "webhook": "Receiver"}
_STATES: Final = {"waiting": "waits", "delivered": "delivered", "given-up": "given up"}


class OneAlert(SteppedPages[QueuedAlert]):
    """The handlers."""

    PAGE = "alerts"
    PATH = "/psd/alerts"
    REFERENCE = "{reference:[A-Za-z0-9]{1,8}-[0-9-]{1,24}}"
    KINDS = _KINDS
    REQUESTED = ""

    @override
    async def _found(self, visit: Visit, reference: str) -> QueuedAlert:
        found = await self._services.threads.run(lambda: self._services.alerts().get(reference))
        if not rules.may_see(visit.someone.name, found):
            raise UnknownReferenceError(reference)
        return found

    @override
    def _refusal(self, name: str, visit: Visit, found: QueuedAlert) -> StepRefusedError | None:
        return _refusal(name, visit.actor, found)

    @override
    def _call(self, name: str, taken: Taken) -> Callable[[], object] | None:
        register, actor, form = self._services.alerts, taken.actor, taken.form
        reference, seen = taken.reference, taken.seen
        if name == "see":
            return lambda: register().see(actor, reference, seen=seen)
        if name == "request":
            asked = form.text("authorisation")
            return lambda: register().request(actor, reference, seen=seen, authorisation=asked)
        taken.needs_why("Enter what was found")
        outcome, why = form.text("outcome"), taken.why
        if form.problems:
            return None
        return lambda: register().close(actor, reference, seen=seen, outcome=outcome, why=why)

    @override
    def _field(
        self, name: str, visit: Visit, found: QueuedAlert, problem: StepRefusedError
    ) -> str | None:
        return _FIELDS.get(problem.rule)

    @override
    async def _show(
        self,
        visit: Visit,
        found: QueuedAlert,
        *,
        done: str | None = None,
        problem: str | None = None,
        status: int = 200,
    ) -> web.Response:
        def read() -> tuple[tuple[Step, ...], tuple[Told, ...]]:
            register = self._services.alerts()
            return register.steps(found.reference), register.told(found.reference)

        steps, told = await self._services.threads.run(read)
        return self._services.answers.show(
            "psd-alert.html",
            path=self.PATH,
            status=status,
            visit=visit,
            here="alerts",
            row=shown(found, self._zone),
            it=found,
            steps=[k for k in _KINDS.values() if _refusal(k.name, visit.actor, found) is None],
            told=[
                {
                    "way": _WAYS[each.way],
                    "target": each.target,
                    "state": _STATES[each.state],
                    "attempts": each.attempts,
                    "when": moment_words(each.ended_at, self._zone) if each.ended_at else "",
                    "problem": each.problem,
                }
                for each in told
            ],
            application=_application(found),
            history=[shown_step(step, self._zone) for step in steps],
            done=done,
            problem=problem,
        )

    @override
    async def _step(
        self, visit: Visit, found: QueuedAlert, kind: Kind, form: Form, *, status: int = 200
    ) -> web.Response:
        return self._services.answers.show(
            "psd-alert-step.html",
            status=status,
            visit=visit,
            here="alerts",
            kind=kind,
            row=shown(found, self._zone),
            it=found,
            form=form,
            problems=form.problems,
            outcomes=OUTCOMES,
        )

    @override
    def _none(self, visit: Visit) -> web.Response:
        return self._services.answers.show(
            "problem.html",
            status=404,
            visit=visit,
            here="alerts",
            title="There is no such alert",
            text="There is no such alert, or it is not one that you can see.",
        )


def _refusal(name: str, actor: Actor, found: QueuedAlert) -> StepRefusedError | None:
    try:
        rules.may_act(actor, found, "act on an alert")
        (rules.new if name == "see" else rules.undecided)(found)
    except StepRefusedError as problem:
        # The page offers no such step, or says this.
        return problem
    return None


def _application(found: QueuedAlert) -> str:
    """An address that fills in an application: who, when, and what it rests on."""
    told = {
        "kind": "reactive",
        "subject": found.person or "",
        "client": found.who if found.kind == "client" else "",
        "since": f"{found.first_at:%Y-%m-%d}",
        "until": f"{found.last_at:%Y-%m-%d}",
        "alert": found.reference,
    }
    query = urlencode({name: value for name, value in told.items() if value})
    return f"/psd/authorisations/new?{query}"
