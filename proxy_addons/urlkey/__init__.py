"""The URL key, the one spelling of a web address that everything compares (see key.py)."""

from proxy_addons.urlkey.host import classified_host, host_key, is_canonical_name
from proxy_addons.urlkey.key import UrlKey, UrlKeyError
from proxy_addons.urlkey.parse import authority_key, request_key, url_key
from proxy_addons.urlkey.path import canonical_escapes, other_reading, path_key, query_key

__all__ = [
    "UrlKey",
    "UrlKeyError",
    "authority_key",
    "canonical_escapes",
    "classified_host",
    "host_key",
    "is_canonical_name",
    "other_reading",
    "path_key",
    "query_key",
    "request_key",
    "url_key",
]
