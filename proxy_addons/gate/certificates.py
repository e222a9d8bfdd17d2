"""What is said of a site's certificate that was not accepted: what is wrong, whose fault it is.

In: the reason in OpenSSL's words, as it is recorded. Out: a `Wording` for the page.
Must never: make light of it, offer a way on, or guess where OpenSSL said something else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from proxy_addons.gate.refusal import Kind
from proxy_addons.gate.wording import WORDING

if TYPE_CHECKING:
    from proxy_addons.gate.wording import Wording

_OWNER = "The fault is the site's: only its owner can mend it."
_NOT_YOU = "You have done nothing wrong, and your computer is not at fault."


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that can be wrong with a certificate.

    Attributes:
        words: how OpenSSL says it (X509_verify_cert_error_string(3)), in any of its versions.
        summary: one sentence in plain words.
        steps: whose fault it is, and what to do.
    """

    words: tuple[str, ...]
    summary: str
    steps: tuple[str, ...]


FAULTS: Final = (
    Fault(
        ("certificate has expired",),
        "The site's certificate has expired: it was not renewed in time.",
        (_OWNER, _NOT_YOU, "Such a fault is often mended within a day. Try again later."),
    ),
    Fault(
        (
            "certificate is not yet valid",
            "certificate is not yet valid or the system clock is incorrect",
        ),
        "The site's certificate is not valid yet: it begins at a later time.",
        (
            (
                "The fault is the site's, or the gateway's clock is wrong. If it happens on several"
                " sites, tell the service desk."
            ),
            _NOT_YOU,
        ),
    ),
    Fault(
        ("hostname mismatch", "IP address mismatch"),
        "The site's certificate is for another name than the one in the address.",
        (
            "Check the address for mistakes first: one wrong letter leads to somebody else.",
            "If the address is right, the fault is the site's, or somebody is posing as it.",
        ),
    ),
    Fault(
        ("self-signed certificate", "self signed certificate"),
        "The site made its certificate itself: nobody vouches that it is the site it claims to be.",
        (
            "Devices and test systems do this, and so does somebody who poses as a site.",
            "If it belongs to the force or a partner, the service desk can have it trusted.",
        ),
    ),
    Fault(
        (
            "unable to get local issuer certificate",
            "unable to get issuer certificate",
            "unable to verify the first certificate",
            "self-signed certificate in certificate chain",
            "self signed certificate in certificate chain",
        ),
        "Nobody whom the gateway trusts vouches for the site's certificate.",
        (
            (
                "The fault is most often the site's: it leaves out a certificate that links its own"
                " to a known authority. A browser may fill that gap; the gateway does not."
            ),
            "If it belongs to the force or a partner, the service desk can have it trusted.",
        ),
    ),
    Fault(
        (
            "EE certificate key too weak",
            "CA certificate key too weak",
            "CA signature digest algorithm too weak",
        ),
        "The site's certificate is too weak: its kind can be forged.",
        (_OWNER, _NOT_YOU),
    ),
    Fault(
        ("certificate revoked",),
        "The site's certificate has been withdrawn by the authority that issued it.",
        ("The site's key may be in the wrong hands: do not use the site.", _OWNER),
    ),
    Fault(
        ("unsuitable certificate purpose", "unsupported certificate purpose"),
        "The site's certificate was issued for something else than a web site.",
        (_OWNER, _NOT_YOU),
    ),
)

# Said last on every page of this kind.
NO_WAY_ON: Final = (
    "There is no button to go on regardless: without this proof, whoever answered could read and"
    " change all that you send."
)


def wording_for(detail: str) -> Wording:
    """What the page says.

    Args:
        detail: the recorded reason, which ends in OpenSSL's words.
    """
    general = WORDING[Kind.UPSTREAM_CERTIFICATE]
    for fault in FAULTS:
        if detail.endswith(fault.words):
            steps = (general.steps[0], *fault.steps, NO_WAY_ON)
            return replace(general, summary=fault.summary, steps=steps)
    return replace(general, steps=(*general.steps, NO_WAY_ON))
