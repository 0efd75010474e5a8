"""Files by their file_id, and the paths under which a bot may download them."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

from bot.playground.errors import bad_request

MOST_DOWNLOAD_BYTES = 20 * 1024 * 1024  # Bot API, getFile


@dataclass(frozen=True)
class StoredFile:
    """One file. ``folder`` and ``extension`` make the download path, as Telegram names them."""

    file_id: str
    file_unique_id: str
    content: bytes
    folder: str
    extension: str
    mime_type: str
    file_name: str


class FileShelf:
    """Every file that was sent in either direction."""

    def __init__(self) -> None:
        self._by_id: dict[str, StoredFile] = {}
        self._by_path: dict[str, StoredFile] = {}
        self._paths: dict[str, str] = {}

    def add(
        self, content: bytes, folder: str, extension: str, mime_type: str, file_name: str = ""
    ) -> StoredFile:
        """Keeps the bytes under a fresh file_id; equal bytes share their file_unique_id."""
        stored = StoredFile(
            file_id=secrets.token_urlsafe(48),
            file_unique_id="AQAD" + hashlib.sha256(content).hexdigest()[:12],
            content=content,
            folder=folder,
            extension=extension,
            mime_type=mime_type,
            file_name=file_name,
        )
        self._by_id[stored.file_id] = stored
        return stored

    def get(self, file_id: str) -> StoredFile | None:
        """The file with this id."""
        return self._by_id.get(file_id)

    def prepare_download(self, file_id: str) -> tuple[StoredFile, str]:
        """The file and the path to download it from, which exists from now on.

        Raises:
            Refused: the id is unknown, or the file is over 20 MB.
        """
        stored = self._by_id.get(file_id)
        if stored is None:
            raise bad_request("invalid file_id")
        if len(stored.content) > MOST_DOWNLOAD_BYTES:
            raise bad_request("file is too big")
        if file_id not in self._paths:
            path = f"{stored.folder}/file_{len(self._paths)}{stored.extension}"
            self._paths[file_id] = path
            self._by_path[path] = stored
        return stored, self._paths[file_id]

    def at_path(self, path: str) -> StoredFile | None:
        """The file under a path that getFile has handed out."""
        return self._by_path.get(path)
