"""The log of what the bot asked for and what it got."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.playground.parameters import Upload


@dataclass(frozen=True)
class RequestRecord:
    """One request of the bot and its answer.

    Attributes:
        method: as the bot wrote it; ``download`` for a file.
        params: as they came: strings from a form, values from JSON.
        files: what was uploaded, by the name of its part.
        status: the HTTP status; 0 when nobody got an answer, since the connection was cut.
        response: the JSON that was (or, dropped, would have been) answered.
        at: Unix time at the end of the request.
        took: seconds from the request to its answer.
    """

    method: str
    params: Mapping[str, Any]
    files: Mapping[str, Upload]
    status: int
    response: Mapping[str, Any]
    at: float
    took: float = field(compare=False)

    @property
    def ok(self) -> bool:
        """Whether the method had its effect and said so."""
        return bool(self.response.get("ok"))

    def as_json(self) -> dict[str, Any]:
        """The record without the uploaded bytes."""
        return {
            "method": self.method,
            "params": dict(self.params),
            "files": {
                name: {
                    "file_name": upload.file_name,
                    "mime_type": upload.mime_type,
                    "size": len(upload.content),
                }
                for name, upload in self.files.items()
            },
            "status": self.status,
            "response": dict(self.response),
            "at": self.at,
            "took": self.took,
        }
