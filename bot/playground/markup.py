"""Text as Telegram understands it: HTML to entities, found entities, lengths in UTF-16 units.

It knows neither messages nor limits.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import Any

from bot.playground.errors import bad_request

Entity = dict[str, Any]

SIMPLE_TAGS = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "tg-spoiler": "spoiler",
    "code": "code",
    "pre": "pre",
    "blockquote": "blockquote",
}
OTHER_TAGS = frozenset({"a", "span", "tg-emoji"})
VERBATIM = frozenset({"code", "pre", "text_link"})

# The four names that Telegram decodes, and numbers; any other "&name;" stays as it is.
CHARACTER_REFERENCE = re.compile(r"&(?:lt|gt|amp|quot|#\d{1,7}|#[xX][0-9a-fA-F]{1,6});")
ATTRIBUTE = re.compile(r"\s*([^\s=>]+)(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([\w.\-]+)))?")

FOUND_BY_ITSELF = (
    ("url", re.compile(r"https?://[^\s<>\"']*[^\s<>\"'.,;:!?)]")),
    ("email", re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")),
    (
        "bot_command",
        re.compile(r"(?<![\w/<>])/[A-Za-z0-9_]{1,32}(?:@[A-Za-z0-9_]{3,32})?(?![\w/])"),
    ),
    ("mention", re.compile(r"(?<![\w@])@[A-Za-z0-9_]{4,32}(?!\w)")),
    ("hashtag", re.compile(r"(?<![\w#])#(?=\w*[^\W\d])\w{1,256}")),
)


@dataclass(frozen=True)
class FormattedText:
    """Plain text and its entities, whose offsets count UTF-16 units."""

    text: str
    entities: tuple[Entity, ...] = ()


def utf16_length(text: str) -> int:
    """The length that Telegram counts: UTF-16 code units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def formatted(text: str, parse_mode: str, entities: list[Entity] | None) -> FormattedText:
    """The text of a message as Telegram would store it: parsed, trimmed, links and commands found.

    Raises:
        Refused: the markup is malformed, or the parse mode is unknown.
    """
    mode = parse_mode.lower()
    if mode == "html":
        parsed = parse_html(text)
    elif mode in ("markdown", "markdownv2"):
        raise bad_request(f"the playground reads HTML only, not parse_mode {parse_mode}")
    elif mode:
        raise bad_request("unsupported parse_mode")
    else:
        parsed = FormattedText(text, tuple(entities or ()))
    return with_found_entities(trimmed(parsed))


def trimmed(formatted_text: FormattedText) -> FormattedText:
    """The text without white space at its ends; entities move along and shrink."""
    text = formatted_text.text
    cut = utf16_length(text) - utf16_length(text.lstrip())
    text = text.strip()
    end = utf16_length(text)
    entities = []
    for entity in formatted_text.entities:
        start = max(entity["offset"] - cut, 0)
        stop = min(entity["offset"] + entity["length"] - cut, end)
        if stop > start:
            entities.append({**entity, "offset": start, "length": stop - start})
    return FormattedText(text, tuple(entities))


def with_found_entities(formatted_text: FormattedText) -> FormattedText:
    """Adds the links, commands, mentions and hashtags that Telegram finds by itself."""
    taken = [
        (entity["offset"], entity["offset"] + entity["length"])
        for entity in formatted_text.entities
        if entity["type"] in VERBATIM
    ]
    entities = list(formatted_text.entities)
    for kind, pattern in FOUND_BY_ITSELF:
        for match in pattern.finditer(formatted_text.text):
            start = utf16_length(formatted_text.text[: match.start()])
            stop = start + utf16_length(match.group())
            if all(stop <= left or start >= right for left, right in taken):
                entities.append({"type": kind, "offset": start, "length": stop - start})
                taken.append((start, stop))
    entities.sort(key=lambda entity: (entity["offset"], -entity["length"]))
    return FormattedText(formatted_text.text, tuple(entities))


@dataclass(frozen=True)
class _OpenTag:
    name: str
    attributes: dict[str, str]
    offset: int


class _HtmlParser:
    """One pass over the source, with the errors and byte offsets of Telegram's parser.

    Source: tdlib, ``MessageEntity.cpp``, ``parse_html``.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self.position = 0
        self.parts: list[str] = []
        self.length = 0
        self.open: list[_OpenTag] = []
        self.entities: list[Entity] = []

    def parse(self) -> FormattedText:
        while self.position < len(self.source):
            character = self.source[self.position]
            if character == "<":
                if self.source.startswith("</", self.position):
                    self._end_tag()
                else:
                    self._start_tag()
            elif match := CHARACTER_REFERENCE.match(self.source, self.position):
                self._append(html.unescape(match.group()))
                self.position = match.end()
            else:
                self._append(character)
                self.position += 1
        if self.open:
            raise _unparsable(
                f'Can\'t find end tag corresponding to start tag "{self.open[-1].name}"'
            )
        self.entities.sort(key=lambda entity: (entity["offset"], -entity["length"]))
        return FormattedText("".join(self.parts), tuple(self.entities))

    def _append(self, text: str) -> None:
        self.parts.append(text)
        self.length += utf16_length(text)

    def _bytes_before(self, position: int) -> int:
        return len(self.source[:position].encode("utf-8", "surrogatepass"))

    def _start_tag(self) -> None:
        begin = self.position
        at = f"at byte offset {self._bytes_before(begin)}"
        match = re.compile(r"<([^\s>]*)").match(self.source, begin)
        if match is None or match.end() == len(self.source):
            raise _unparsable(f"Unclosed start tag {at}")
        name = match.group(1).lower()
        if name not in SIMPLE_TAGS and name not in OTHER_TAGS:
            raise _unparsable(f'Unsupported start tag "{name}" {at}')
        attributes: dict[str, str] = {}
        position = match.end()
        while True:
            position += len(self.source[position:]) - len(self.source[position:].lstrip())
            if position >= len(self.source):
                raise _unparsable(f"Unclosed start tag {at}")
            if self.source[position] == ">":
                break
            attribute = ATTRIBUTE.match(self.source, position)
            if attribute is None:
                raise _unparsable(f'Empty attribute name in the tag "{name}" {at}')
            value = next((group for group in attribute.groups()[1:] if group is not None), "")
            attributes[attribute.group(1).lower()] = html.unescape(value)
            position = attribute.end()
        if name == "span" and attributes.get("class") != "tg-spoiler":
            raise _unparsable(f'Tag "span" must have class "tg-spoiler" {at}')
        self.open.append(_OpenTag(name, attributes, self.length))
        self.position = position + 1

    def _end_tag(self) -> None:
        at = f"at byte offset {self._bytes_before(self.position)}"
        if not self.open:
            raise _unparsable(f"Unexpected end tag {at}")
        match = re.compile(r"</([^\s>]*)\s*>").match(self.source, self.position)
        if match is None:
            raise _unparsable(f"Unclosed end tag {at}")
        tag = self.open.pop()
        name = match.group(1).lower()
        if name not in ("", tag.name):
            raise _unparsable(
                f'Unmatched end tag {at}, expected "</{tag.name}>", found "</{name}>"'
            )
        if self.length > tag.offset:
            self._close(tag)
        self.position = match.end()

    def _close(self, tag: _OpenTag) -> None:
        entity: Entity = {"offset": tag.offset, "length": self.length - tag.offset}
        if tag.name == "a":
            written = "".join(self.parts).encode("utf-16-le")[2 * tag.offset :].decode("utf-16-le")
            url = tag.attributes.get("href") or written
            if not re.match(r"(?i)(https?|tg|mailto|tel):", url):
                if "." not in url or re.search(r"\s", url) or ":" in url.split("/")[0]:
                    return  # Telegram drops a link that is none and keeps its text
                url = f"http://{url}"
            entity |= {"type": "text_link", "url": url}
        elif tag.name == "tg-emoji":
            entity |= {
                "type": "custom_emoji",
                "custom_emoji_id": tag.attributes.get("emoji-id", ""),
            }
        elif tag.name == "span":
            entity["type"] = "spoiler"
        elif tag.name == "blockquote" and "expandable" in tag.attributes:
            entity["type"] = "expandable_blockquote"
        elif tag.name == "pre":
            inner = self.entities[-1] if self.entities else {}
            same = all(inner.get(key) == entity[key] for key in ("offset", "length"))
            if same and inner.get("type") == "code" and "language" in inner:
                self.entities.pop()
                entity["language"] = inner["language"]
            entity["type"] = "pre"
        else:
            entity["type"] = SIMPLE_TAGS[tag.name]
            language = tag.attributes.get("class", "")
            in_pre = bool(self.open) and self.open[-1].name == "pre"
            if tag.name == "code" and in_pre and language.startswith("language-"):
                entity["language"] = language.removeprefix("language-")
        self.entities.append(entity)


def parse_html(source: str) -> FormattedText:
    """Telegram's HTML subset as text and entities.

    Raises:
        Refused: a tag is unknown, left open, or closed out of order.
    """
    return _HtmlParser(source).parse()


def _unparsable(reason: str) -> Exception:
    return bad_request(f"can't parse entities: {reason}")
