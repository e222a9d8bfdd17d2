"""What the end-to-end tests share: real gateways and a small web."""

from support.running import (  # noqa: F401 - fixtures
    closing,
    index,
    name_server,
    shared_web,
    small_disk,
    standard,
    start,
    web,
    web_authority,
)
