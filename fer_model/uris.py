"""How the database names a model version's directory, and back.

    shipped:<digest>            in this package, wherever it is installed
    file:///path/to/<digest>    anywhere else

The shipped version is named by digest alone, so that a reinstall in another place finds it.
"""

from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from fer_model.errors import VersionMissing
from fer_model.versions import shipped_version

_SHIPPED: Final = "shipped:"


def version_uri(path: Path) -> str:
    """The URI of the version directory at `path`."""
    place = path.resolve()
    if _shipped() == place:
        return _SHIPPED + place.name
    return place.as_uri()


def version_path(uri: str) -> Path:
    """The directory that `uri` names; whether it holds a version is for `read_version` to say.

    Raises:
        VersionMissing: This package ships another version than the URI's, or none.
        ValueError: Not a URI that `version_uri` returns.
    """
    if uri.startswith(_SHIPPED):
        path = shipped_version()
        if path.name != uri.removeprefix(_SHIPPED):
            raise VersionMissing(path.with_name(uri.removeprefix(_SHIPPED)), "not shipped any more")
        return path
    parts = urlsplit(uri)
    path = Path(unquote(parts.path))
    if parts.scheme != "file" or parts.netloc or not path.is_absolute():
        raise ValueError(f"{uri!r} is no model version's URI")
    return path


def _shipped() -> Path | None:
    try:
        return shipped_version().resolve()
    except VersionMissing:
        return None
