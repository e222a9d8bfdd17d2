"""One request in the relay lane, and its answer.

In: the head of a request that the gate has passed or refused. Out: what is known of it.
Must never: be shared between requests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proxy_addons.accesslog import Transaction
    from proxy_addons.engine.relay.answer import Answer
    from proxy_addons.engine.relay.bodies import Body
    from proxy_addons.engine.relay.ways import Way
    from proxy_addons.gate.facts import RequestFacts


class Exchange:
    """One request and its answer.

    Attributes:
        facts: what its head said.
        transaction: its open record.
        upload: its body, as it comes.
        answer: the server's, as it passes; None where the answer is ours.
        head: what is sent to the server, kept for a second try.
        address: host and port that it goes to.
        way: by which it was sent; None before that.
        fresh: whether the way was made for it.
        begun: whether the client has got a byte of the answer.
        answered: whether the client has its answer whole.
        close: whether the client's connection ends with it.
    """

    __slots__ = (
        "address", "answer", "answered", "begun", "close", "facts", "fresh", "head", "transaction",
        "upload", "way",
    )  # fmt: skip

    def __init__(
        self, facts: RequestFacts, transaction: Transaction, upload: Body, *, close: bool
    ) -> None:
        self.facts = facts
        self.transaction = transaction
        self.upload = upload
        self.close = close
        self.answer: Answer | None = None
        self.head = b""
        self.address = ("", 0)
        self.way: Way | None = None
        self.fresh = False
        self.begun = False
        self.answered = False
