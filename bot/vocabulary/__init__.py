"""The words of feedback: one TOML file per language, and the emoji, which all languages share.

A translator needs no Python: `en.toml` says what each list is for. All words are lower case.
"""
