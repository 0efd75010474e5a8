"""The typeface is there, and draws both languages."""

from importlib import metadata
from pathlib import Path

import matplotlib as mpl
import pytest

from bot import fonts
from bot.fonts import FontsMissing, Weight, font, font_file
from bot.texts import Catalogue


@pytest.mark.parametrize("weight", ["regular", "bold", "extra_bold"])
def test_typeface_has_a_glyph_for_every_character_in_pictures(weight: Weight) -> None:
    face = font(weight, 40)
    missing = face.getmask("\U0010ffff").getbbox(), bytes(face.getmask("\U0010ffff"))
    for texts in Catalogue.load().languages.values():
        drawn = "".join(words.label for words in texts.emotions.values())
        drawn += "".join(
            form
            for key, forms in texts.messages.items()
            if key.startswith("picture_")
            for form in forms.values()
        )
        for character in set(drawn) - {" ", "{", "}"}:
            mask = face.getmask(character)
            assert (mask.getbbox(), bytes(mask)) != missing, character


def test_finding_the_typeface_changes_no_setting_of_matplotlib() -> None:
    before = dict(mpl.rcParams)
    font_file("bold")
    assert dict(mpl.rcParams) == before


def test_missing_typeface_is_named_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Elsewhere:
        def locate_file(self, path: str) -> Path:
            return tmp_path / path

    monkeypatch.setattr(fonts.metadata, "distribution", lambda _: Elsewhere())
    with pytest.raises(FontsMissing, match="pip install koreanize-matplotlib"):
        font_file("bold")

    def absent(name: str) -> metadata.Distribution:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(fonts.metadata, "distribution", absent)
    with pytest.raises(FontsMissing):
        font_file("bold")
