"""Photos from Telegram: what a message brings, and its bytes.

DownloadRefused
├── FileTooLarge
└── FileGone
"""

import mimetypes
from dataclasses import dataclass
from typing import Final

from telegram import Document, Message
from telegram.error import BadRequest, InvalidToken
from telegram.ext import filters

from bot.context import FeelbackBot

MOST_BYTES: Final = 20 * 1024 * 1024  # Bot API, getFile
# What pillow-heif reads; not every system's list of types has them.
HEIF_ENDINGS: Final = (".heic", ".heif", ".hif")
UNTYPED: Final = "application/octet-stream"


class DownloadRefused(Exception):
    """Telegram will not give the file, however often it is asked."""


class FileTooLarge(DownloadRefused):
    """The file is over the 20 MB that a bot may download."""


class FileGone(DownloadRefused):
    """The file is no longer available."""


@dataclass(frozen=True)
class SentPhoto:
    """A photo as a message brings it: by Telegram's ids, not yet downloaded."""

    message_id: int
    file_id: str
    file_unique_id: str
    size: int | None


class _ImageDocument(filters.MessageFilter):
    """A photo that was sent as a file."""

    def filter(self, message: Message) -> bool:
        # Telegram names an animation as a document, too.
        return (
            message.document is not None
            and message.animation is None
            and is_image(message.document)
        )


IMAGE_DOCUMENT = _ImageDocument(name="IMAGE_DOCUMENT")


def is_image(document: Document) -> bool:
    """Return whether a file says that it is an image; by its name where it has no type."""
    kind = document.mime_type or UNTYPED
    if kind != UNTYPED:
        return kind.startswith("image/")
    name = (document.file_name or "").lower()
    guessed, _ = mimetypes.guess_type(name)
    return name.endswith(HEIF_ENDINGS) or (guessed or "").startswith("image/")


def sent_photo(message: Message) -> SentPhoto | None:
    """Return the photo that a message brings, in its largest size."""
    if message.photo:
        largest = max(message.photo, key=lambda size: size.width * size.height)
        return SentPhoto(
            message.message_id, largest.file_id, largest.file_unique_id, largest.file_size
        )
    if IMAGE_DOCUMENT.filter(message) and message.document is not None:
        document = message.document
        return SentPhoto(
            message.message_id, document.file_id, document.file_unique_id, document.file_size
        )
    return None


async def fetch(bot: FeelbackBot, file_id: str, size: int | None = None) -> bytes:
    """Return the bytes of a file.

    Raises:
        FileTooLarge: Telegram does not let bots download it; with a known size it is not asked.
        FileGone: it is no longer available.
    """
    if size is not None and size > MOST_BYTES:
        raise FileTooLarge(size)
    try:
        file = await bot.get_file(file_id)
    except BadRequest as error:
        if "too big" in error.message.lower():
            raise FileTooLarge from error
        raise FileGone from error
    try:
        return bytes(await file.download_as_bytearray())
    except (BadRequest, InvalidToken) as error:  # the latter is how a download's 404 is read
        raise FileGone from error
