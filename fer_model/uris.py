"""Where a model version is, as it is written down in a database: the only place that knows.

The shipped version is `shipped:DIGEST`, because another installation has it at another path; every
other is a `file:` URI.
"""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from fer_model.errors import VersionMissing
from fer_model.versions import shipped_version

SHIPPED = "shipped:"


def version_uri(path: Path) -> str:
    """The URI of the version in this directory, whose name is its digest."""
    resolved = path.resolve()
    try:
        shipped = shipped_version().resolve()
    except VersionMissing:
        return resolved.as_uri()
    return SHIPPED + resolved.name if resolved == shipped else resolved.as_uri()


def version_path(uri: str) -> Path:
    """The directory that the URI leads to here; what is in it is checked when it is read.

    Raises:
        VersionMissing: It leads nowhere here, or to a version that another release shipped.
    """
    if uri.startswith(SHIPPED):
        shipped = shipped_version()
        if shipped.name != uri.removeprefix(SHIPPED):
            raise VersionMissing(Path(uri), "another release of this package shipped this version")
        return shipped
    parts = urlsplit(uri)
    if parts.scheme != "file" or parts.netloc or not parts.path.startswith("/"):
        raise VersionMissing(Path(uri), "not the address of a model version")
    return Path(unquote(parts.path))
