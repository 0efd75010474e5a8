"""Every word the bot says, in the languages it speaks; one TOML file each.

A translator adds a file `LANGUAGE.toml` with the keys of `en.toml`, and its plural rule in
`catalogue`. Whatever a file lacks, or has too much, is an error when the catalogue is loaded.
"""

from bot.texts.catalogue import Catalogue, CatalogueDamaged, Html, Texts
from bot.texts.keys import Key

__all__ = ["Catalogue", "CatalogueDamaged", "Html", "Key", "Texts"]
