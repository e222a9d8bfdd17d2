"""One request in the relay lane, and its answer.

In: the head of a request that the gate has passed or refused. Out: what is known of it.
Must never: be shared between requests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_addons.accesslog import Transaction
    from proxy_addons.engine.kept import Kept
    from proxy_addons.engine.relay.answer import Answer
    from proxy_addons.engine.relay.bodies import Body
    from proxy_addons.engine.relay.ways import Way
    from proxy_addons.gate.facts import RequestFacts
    from proxy_addons.gate.sending import Sending
    from proxy_addons.gate.watching import Watch


class Exchange:
    """One request and its answer.

    Attributes:
        facts: what its head said.
        transaction: its open record.
        upload: its body, as it comes.
        answer: the server's, as it passes; None where the answer is ours.
        head: what is sent to the server, kept for a second try.
        written: writes that head, anew where another part of a file is asked for.
        address: host and port that it goes to.
        way: by which it was sent; None before that.
        fresh: whether the way was made for it.
        begun: whether the client has got a byte of the answer.
        answered: whether the client has its answer whole.
        sending: looks at the request's body; None where none has to be looked at, or all has gone.
        sent: bytes of the body's content that have gone to the server, of those that were held.
        rest: what came behind these, as it goes on.
        paused: whether the client is not read, as what it has sent has to go on first.
        watch: looks at the answer as it passes; None where nothing has to be looked at, or no more.
        kept: what of the answer is kept back until it has been looked at.
        gone: bytes of its content that the client has, where all of it is held (`Watch.held`).
        keep: how much of it is to be kept back from now on, once what is held has gone.
        close: whether the client's connection ends with it.
    """

    __slots__ = (
        "address", "answer", "answered", "begun", "close", "facts", "fresh", "gone", "head", "keep",
        "kept", "paused", "rest", "sending", "sent", "transaction", "upload", "watch", "way",
        "written",
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
        self.sending: Sending | None = None
        self.sent = 0
        self.rest = b""
        self.paused = False
        self.watch: Watch | None = None
        self.written: Callable[[], bytes] = bytes
        self.kept: Kept | None = None
        self.gone = 0
        self.keep = 0

    def let_go(self) -> None:
        """Nothing more of an answer goes out of what is kept back, or all has gone."""
        if self.watch is not None:
            self.watch.let_go()
        self.watch = self.kept = None
