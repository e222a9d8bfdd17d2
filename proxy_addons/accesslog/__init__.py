"""The access log: one record a transaction, durable (docs/access-log.md says what it promises)."""

from proxy_addons.accesslog.folder import AccessLogError
from proxy_addons.accesslog.log import AccessLog, World
from proxy_addons.accesslog.record import FIELDS, Field
from proxy_addons.accesslog.recovery import RecoveryReport, TornTail
from proxy_addons.accesslog.transaction import Transaction
from proxy_addons.accesslog.writer import CloseReport, Limits

__all__ = [
    "FIELDS",
    "AccessLog",
    "AccessLogError",
    "CloseReport",
    "Field",
    "Limits",
    "RecoveryReport",
    "TornTail",
    "Transaction",
    "World",
]
