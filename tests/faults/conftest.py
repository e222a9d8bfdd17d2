"""What the fault tests share: real gateways and a small web."""

from support.identity import force  # noqa: F401 - a fixture
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
