"""The typeface of every picture: Nanum Gothic, which draws Latin and Hangul alike.

Its files (SIL Open Font License) come with the package `koreanize-matplotlib`. That package is
located but never imported, because importing it changes matplotlib's settings.
"""

from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Final, Literal, TypeAlias

from PIL import ImageFont

from bot.errors import BotError

Weight: TypeAlias = Literal["regular", "bold", "extra_bold"]

_PACKAGE: Final = "koreanize-matplotlib"
_FILES: Final = {
    "regular": "NanumGothic.ttf",
    "bold": "NanumGothicBold.ttf",
    "extra_bold": "NanumGothicExtraBold.ttf",
}


class FontsMissing(BotError):
    """The typeface is not installed."""

    def __init__(self) -> None:
        super().__init__(f"The typeface of the pictures is missing; run: pip install {_PACKAGE}")


def font_file(weight: Weight) -> Path:
    """The typeface's file of this weight.

    Raises:
        FontsMissing: the package that ships it is not installed.
    """
    try:
        package = metadata.distribution(_PACKAGE)
    except metadata.PackageNotFoundError as error:
        raise FontsMissing from error
    path = Path(str(package.locate_file(f"koreanize_matplotlib/fonts/{_FILES[weight]}")))
    if not path.is_file():
        raise FontsMissing
    return path


@lru_cache(maxsize=64)
def font(weight: Weight, size: int) -> ImageFont.FreeTypeFont:
    """The typeface at this size in px.

    Raises:
        FontsMissing: see `font_file`.
    """
    return ImageFont.truetype(str(font_file(weight)), size)
