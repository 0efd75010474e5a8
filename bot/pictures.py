"""The bot's pictures: a photo with its faces boxed and charted, and the chart of `/stats`. Pure.

They take a moment of processor time each: call them off the event loop.
"""

from bot.texts import Texts
from fer_model import Photo
from store.records import Reading, Statistics


def reading_picture(photo: Photo, reading: Reading, texts: Texts, page: int = 0) -> bytes:
    """A JPEG: the photo with numbered boxes, and the blends of the page's faces.

    `page` is one of `replies.page_count`. Sides are at most 1,280 px.

    Raises:
        PhotoRefused: The photo cannot be decoded.
    """
    raise NotImplementedError


def statistics_chart(numbers: Statistics, texts: Texts) -> bytes:
    """A PNG of readings, confirmations and corrections per day."""
    raise NotImplementedError
