"""Who takes a step in a register, and by which right.

In: a proven name, roles, the way it was proven. Out: the facts that the registers' rules ask for.
Must never: prove anybody: whoever makes an `Actor` has done that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

INFORMATION_SECURITY: Final = "information-security"
PSD: Final = "psd"
LINE_MANAGER: Final = "line-manager"
OPERATOR: Final = "operator"
COMMAND_LINE: Final = "command-line"
"""`Actor.how` of people at the gateway's own machine."""
CLOCK: Final = "clock"
"""`how` of steps that nobody took: something ended by itself."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who takes a step.

    Attributes:
        name: canonical login name (policy/people.py).
        roles: of settings/people.py `ROLES`; `staff` may be among them and means nothing here.
        how: how the name is known (`kerberos`, `oidc`, `accounts`, `command-line`): recorded.
        manages: canonical names of the people whose line manager this is.
        offices: offices that this person holds themselves (`audit.offices`): what they may approve
            of looking at the access log. Nobody has them for being at the machine.
    """

    name: str
    roles: frozenset[str] = frozenset()
    how: str = ""
    manages: frozenset[str] = frozenset()
    offices: frozenset[str] = frozenset()

    @property
    def at_the_machine(self) -> bool:
        """Whether it is an operator at the gateway's command line.

        There every step may be taken, as root could write the database by hand anyway; but for
        those that need another person, who is another by name. In the portal the role `operator`
        opens no step of a register.
        """
        return self.how == COMMAND_LINE and OPERATOR in self.roles

    def may(self, *roles: str) -> bool:
        """Whether it has any of these roles, or is an operator at the machine."""
        return self.at_the_machine or not self.roles.isdisjoint(roles)
