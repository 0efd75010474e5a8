"""What a bot sent with a request, read the way Telegram reads it.

Values come as strings from a query or a form, and as JSON values from a JSON body; files come
as parts of a multipart form. Nothing here knows what a method does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.playground.errors import bad_request

MOST_UPLOAD_BYTES = 50 * 1024 * 1024  # Bot API, sending files


@dataclass(frozen=True)
class Upload:
    """A file that came with a request."""

    file_name: str
    mime_type: str
    content: bytes = field(repr=False)


class Parameters:
    """The parameters of one request, typed on reading."""

    def __init__(self, values: Mapping[str, Any], files: Mapping[str, Upload]) -> None:
        self.values = dict(values)
        self.files = dict(files)

    def names(self) -> set[str]:
        """What the request names as parameters, uploads that are only attached left out."""
        return set(self.values) | {name for name in self.files if not self._attached(name)}

    def has(self, name: str) -> bool:
        """Whether a parameter is there at all."""
        return name in self.values or name in self.files

    def text(self, name: str, default: str = "") -> str:
        """A String."""
        value = self.values.get(name, default)
        if isinstance(value, (dict, list, bool)) or value is None:
            raise bad_request(f"parameter {name} must be a string")
        return str(value)

    def integer(self, name: str, default: int | None = None) -> int:
        """An Integer; required when there is no default."""
        value = self.values.get(name, default)
        if value is None or value == "":
            raise bad_request(f"parameter {name} is required")
        try:
            usable = isinstance(value, (int, str)) and not isinstance(value, bool)
            return int(value if usable else "")
        except ValueError:
            raise bad_request(f"parameter {name} must be an integer") from None

    def boolean(self, name: str) -> bool:
        """A Boolean, False when missing; Telegram takes "true", "yes" and "1" for true."""
        value = self.values.get(name, False)
        return value if isinstance(value, bool) else str(value).lower() in ("true", "yes", "1")

    def object(self, name: str) -> dict[str, Any] | None:
        """A JSON object, None when missing."""
        value = self._json(name)
        if value is not None and not isinstance(value, dict):
            raise bad_request(f"object expected as {name.replace('_', ' ')}")
        return value

    def array(self, name: str) -> list[Any] | None:
        """A JSON array, None when missing."""
        value = self._json(name)
        if value is not None and not isinstance(value, list):
            raise bad_request(f"expected an Array as {name.replace('_', ' ')}")
        return value

    def chat_id(self) -> int | str:
        """The chat: a number, or a name as it was given.

        Raises:
            Refused: it is empty.
        """
        value = str(self.values.get("chat_id", ""))
        if not value:
            raise bad_request("chat_id is empty")
        try:
            return int(value)
        except ValueError:
            return value

    def upload(self, name: str) -> Upload | None:
        """The file of a parameter: its own part, or the part that ``attach://`` names.

        Raises:
            Refused: the attached part is missing, or the file is over 50 MB.
        """
        upload = self.files.get(name)
        value = self.values.get(name)
        if upload is None and isinstance(value, str):
            upload = self.attached(value)
        return _within_limit(upload)

    def attached(self, reference: str) -> Upload | None:
        """The part behind an ``attach://`` reference, None where it is no such reference."""
        if not reference.startswith("attach://"):
            return None
        upload = self.files.get(reference.removeprefix("attach://"))
        if upload is None:
            raise bad_request("can't find the attached file")
        return _within_limit(upload)

    def _attached(self, name: str) -> bool:
        reference = json.dumps(f"attach://{name}")
        return any(
            reference in value or value == f"attach://{name}"
            if isinstance(value, str)
            else reference in json.dumps(value)
            for value in self.values.values()
        )

    def _json(self, name: str) -> Any:
        value = self.values.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except json.JSONDecodeError:
            readable = name.replace("_", " ")
            raise bad_request(f"can't parse {readable} JSON object") from None


def _within_limit(upload: Upload | None) -> Upload | None:
    if upload is not None and len(upload.content) > MOST_UPLOAD_BYTES:
        raise bad_request("file of this size is too big; the maximum size is 52428800 bytes")
    if upload is not None and not upload.content:
        raise bad_request("file must be non-empty")
    return upload
