"""What the name of a member says of its archive: a package, an Office file with macros.

In: names of members. Out: ids of policy/findings.py.
Must never: say of an archive's beginning what a look at all of it does not say.

The first and last bytes of a zip archive have some of the names (containers.py), a look at the
whole has all (packages.py): both go by this table.
"""

from __future__ import annotations

import re
from typing import Final

BY_NAME: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(expression), kind)
    for expression, kind in (
        # Where a name could be both, a package is assumed. The whole of a name as `plain` gives it.
        (r"web-inf/.*|.+\.class", "java-program"),
        (r"((base/)?manifest/)?androidmanifest\.xml|bundleconfig\.pb", "android-package"),
        (r"(base/dex/)?classes\d*\.dex", "android-package"),
        (r"payload/[^/]+\.app(/.*)?", "ios-package"),
        (r"(appxmetadata/)?appx(bundle)?manifest\.xml|appxblockmap\.xml", "windows-installer"),
        (r"install\.rdf|meta-inf/mozilla\.(rsa|sf)|chrome\.manifest", "browser-extension"),
        (r"[^/]+\.dist-info(/.*)?|egg-info/.*|__main__\.pyc?", "python-package"),
        (r"[^/]+\.nuspec|extension\.vsixmanifest", "software-package"),
        # Office: ECMA-376 parts, and those of [MS-OFFMACRO2].
        (r"(.*/)?vba(project|data)[^/]*\.(bin|xml)|xl/(macro|dialog)sheets/.+", "office-macros"),
    )
)


def plain(name: str) -> str:
    """A name as those who unpack it would use it, in lower case: Windows knows no other."""
    parts = [part for part in name.replace("\\", "/").lower().split("/") if part not in {"", "."}]
    return "/".join(parts)
