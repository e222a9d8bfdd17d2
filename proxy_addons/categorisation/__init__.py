"""Categorisation: which categories an address has.

In: category lists in squidGuard layout; URL keys. Out: an index file; category sets.
Must never: decide. Lists are not policy: the policy names categories.
"""

from proxy_addons.categorisation.compiler import CompileReport, Progress, compile_index
from proxy_addons.categorisation.ensure import Ensured, ensure_index
from proxy_addons.categorisation.entries import Kind
from proxy_addons.categorisation.formats import Format
from proxy_addons.categorisation.imports import ImportReport, import_lists
from proxy_addons.categorisation.index import CategoryIndex, Match
from proxy_addons.categorisation.report import (
    CategoryError,
    CategoryImportError,
    CategoryIndexError,
    CategorySourceError,
    Problem,
    Problems,
)
from proxy_addons.categorisation.sources import SourceFolders, category_names, read_sources
from proxy_addons.categorisation.tree import UNCATEGORISED, ListTree

__all__ = [
    "UNCATEGORISED",
    "CategoryError",
    "CategoryImportError",
    "CategoryIndex",
    "CategoryIndexError",
    "CategorySourceError",
    "CompileReport",
    "Ensured",
    "Format",
    "ImportReport",
    "Kind",
    "ListTree",
    "Match",
    "Problem",
    "Problems",
    "Progress",
    "SourceFolders",
    "category_names",
    "compile_index",
    "ensure_index",
    "import_lists",
    "read_sources",
]
