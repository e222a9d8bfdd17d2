"""`python -m proxy_addons.portal`: the portal on its own, as the supervisor starts it.

In: options. Out: exit code 0 after SIGTERM or SIGINT, 2 when it cannot start.
Must never: start on settings that have an error in them.
"""

from __future__ import annotations

import gc
import logging
import sys
from typing import TYPE_CHECKING

from proxy_addons.identity.keytab import KerberosError
from proxy_addons.identity.passwords import PasswordsError
from proxy_addons.portal.pac import PacError
from proxy_addons.portal.server import PortalError, bind, inherit, run
from proxy_addons.rights.certificate import CertificateError
from proxy_addons.rights.confine import harden
from proxy_addons.settings.parts import parser_of, settings_of
from proxy_addons.settings.problems import SettingsError
from proxy_addons.standing.problems import StandingError

if TYPE_CHECKING:
    import argparse


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("proxy_addons.portal", "The portal of Watchhouse on its own.")
    parser.add_argument(
        "--fd",
        action="append",
        type=int,
        default=[],
        help="serve this inherited listening socket instead of listen.portal; may be repeated",
    )
    parser.add_argument(
        "--tls-fd",
        action="append",
        type=int,
        default=[],
        help="the same, where browsers speak TLS; may be repeated",
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the portal.

    Args:
        arguments: without the program's name; None for those of the process.

    Returns:
        0, or 2 when it cannot start; the reason is on standard error.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="portal: %(message)s")
    try:
        harden()
        settings = settings_of(parser, options)
        if options.fd or options.tls_fd:
            sockets = [inherit(descriptor) for descriptor in options.fd]
            secure = [inherit(descriptor) for descriptor in options.tls_fd]
        else:
            sockets = [bind(endpoint) for endpoint in settings.listen.portal]
            secure = [bind(endpoint) for endpoint in settings.listen.portal_tls]
        run(settings, sockets, secure, parent=options.with_parent)
    except (
        SettingsError,
        PortalError,
        PacError,
        CertificateError,
        KerberosError,
        PasswordsError,
        StandingError,
    ) as problem:
        # Nothing was served yet: no request is in hand.
        sys.stderr.write(f"portal: {problem}\n")
        return 2
    return 0


if __name__ == "__main__":
    status = main()
    gc.freeze()  # nobody needs to wait until it has been looked through for garbage
    sys.exit(status)
