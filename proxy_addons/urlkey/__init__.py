"""The URL key, the one spelling of a web address that everything compares (see key.py)."""

from proxy_addons.urlkey.key import UrlKey, UrlKeyError

__all__ = ["UrlKey", "UrlKeyError"]
