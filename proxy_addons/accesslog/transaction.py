"""A transaction: what is known so far of one request, tunnel or WebSocket, until its record.

In: fields, set one by one as the gate learns them. Out: the fields of a record, once.
Must never: block, raise into the request, or be written twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_addons.accesslog.record import CALLER_NAMES, SCHEMA, TRANSACTION_NAMES, FieldValue

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from proxy_addons.accesslog.scrub import Record


class Transaction:
    """One transaction. Its attributes are the fields of the record (record.py says what they mean).

    Set them at any time before `finish`; `id` and `start` are the log's own. For one thread.

    Attributes:
        began: monotonic time of the start, seconds.
    """

    __slots__ = (*TRANSACTION_NAMES, "_finished", "_finisher", "began")

    def __init__(
        self, reference: str, start: str, began: float, finisher: Callable[[Transaction], None]
    ) -> None:
        self.began = began
        self._finisher = finisher
        self._finished = False
        self.id = reference
        self.start = start
        self.duration_ms: float | None = None
        self.person: str | None = None
        self.person_how: str | None = None
        self.claimed: str | None = None
        self.client_ip: str | None = None
        self.client_port: int | None = None
        self.kind: str | None = None
        self.method: str | None = None
        self.url: str | None = None
        self.host: str | None = None
        self.port: int | None = None
        self.sni: str | None = None
        self.judged_host: str | None = None
        self.categories: Collection[str] = ()
        self.list_version: str | None = None
        self.action: str | None = None
        self.rule: str | None = None
        self.clause: str | None = None
        self.reason: str | None = None
        self.profile: str | None = None
        self.exemption: str | None = None
        self.handling: str | None = None
        self.status: int | None = None
        self.bytes_up: int | None = None
        self.bytes_down: int | None = None
        self.content_type: str | None = None
        self.server_ip: str | None = None
        self.server_port: int | None = None
        self.policy_version: str | None = None
        self.error: str | None = None
        self.balancer_ip: str | None = None
        self.states: Collection[str] = ()
        self.counted: bool | None = None
        self.findings: Collection[str] = ()
        self.virus: str | None = None
        self.members: Collection[str] = ()
        self.opened: bool | None = None
        self.changed: Collection[str] = ()
        self.would_block: str | None = None

    def __repr__(self) -> str:
        # The number alone: a repr ends up in logs, and the fields belong in this one only.
        return f"<Transaction {self.id}>"

    @property
    def finished(self) -> bool:
        """Whether `finish` was called."""
        return self._finished

    def set(self, **fields: FieldValue) -> None:
        """Sets several fields. Never raises: a name that is no field is noted in `error`."""
        self.update(fields)

    def update(self, fields: Mapping[str, FieldValue]) -> None:
        """Sets several fields, as `set` does."""
        for name, value in fields.items():
            if name in CALLER_NAMES:
                setattr(self, name, value)
            else:
                fault = f"access log: the gateway set {name!r}, which is no field of its own"
                self.error = f"{self.error}; {fault}" if self.error else fault

    def finish(self, **fields: FieldValue) -> None:
        """Sets the fields, stops the clock and queues the closing record.

        Only the first call counts: later ones change nothing.
        """
        if self._finished:
            return
        self._finished = True
        if fields:
            self.update(fields)
        self._finisher(self)

    def record(self, event: str) -> Record:
        """Returns the record as things stand, in the order of the table.

        Args:
            event: its kind. Worker and number are for the pipeline to stamp.
        """
        return {
            "schema": SCHEMA,
            "event": event,
            "id": self.id,
            "worker": None,
            "seq": None,
            "start": self.start,
            "duration_ms": self.duration_ms,
            "person": self.person,
            "person_how": self.person_how,
            "claimed": self.claimed,
            "client_ip": self.client_ip,
            "client_port": self.client_port,
            "kind": self.kind,
            "method": self.method,
            "url": self.url,
            "host": self.host,
            "port": self.port,
            "sni": self.sni,
            "judged_host": self.judged_host,
            "categories": self.categories,
            "list_version": self.list_version,
            "action": self.action,
            "rule": self.rule,
            "clause": self.clause,
            "reason": self.reason,
            "profile": self.profile,
            "exemption": self.exemption,
            "handling": self.handling,
            "status": self.status,
            "bytes_up": self.bytes_up,
            "bytes_down": self.bytes_down,
            "content_type": self.content_type,
            "server_ip": self.server_ip,
            "server_port": self.server_port,
            "policy_version": self.policy_version,
            "error": self.error,
            "altered": (),
            "balancer_ip": self.balancer_ip,
            "states": self.states,
            "counted": self.counted,
            "findings": self.findings,
            "virus": self.virus,
            "members": self.members,
            "opened": self.opened,
            "changed": self.changed,
            "would_block": self.would_block,
        }


def unrecorded() -> Transaction:
    """A transaction of which no record is kept: it has no number, and nothing was decided.

    For an answer that only asks who is asking (gate/signin.py).
    """
    return Transaction("", "", 0.0, _keep_nothing)


def _keep_nothing(_transaction: Transaction) -> None:
    pass
