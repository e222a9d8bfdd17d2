"""What the end-to-end tests share: real gateways and a small web."""

from support.identity import force, sites  # noqa: F401 - fixtures
from support.running import (  # noqa: F401 - fixtures
    closing,
    index,
    name_server,
    shared_web,
    small_disk,
    speaking,
    standard,
    start,
    version,
    web,
    web_authority,
    with_http2,
)
