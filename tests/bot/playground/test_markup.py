from __future__ import annotations

import pytest

from bot.playground.errors import Refused
from bot.playground.markup import formatted, parse_html, utf16_length


def entities(source: str) -> list[tuple[str, int, int]]:
    found = parse_html(source).entities
    return [(entity["type"], entity["offset"], entity["length"]) for entity in found]


def test_length_counts_utf16_units() -> None:
    assert utf16_length("ab") == 2
    assert utf16_length("é") == 1
    assert utf16_length("😀") == 2


@pytest.mark.parametrize(
    ("tag", "kind"),
    [
        ("b", "bold"),
        ("strong", "bold"),
        ("i", "italic"),
        ("em", "italic"),
        ("u", "underline"),
        ("ins", "underline"),
        ("s", "strikethrough"),
        ("del", "strikethrough"),
        ("code", "code"),
        ("pre", "pre"),
        ("blockquote", "blockquote"),
        ("tg-spoiler", "spoiler"),
    ],
)
def test_every_simple_tag_becomes_its_entity(tag: str, kind: str) -> None:
    assert entities(f"<{tag}>x</{tag}>") == [(kind, 0, 1)]
    assert entities(f"<{tag.upper()}>x</{tag}>") == [(kind, 0, 1)]


def test_offsets_count_utf16_units() -> None:
    parsed = parse_html("😀 <b>a😀</b> <i>c</i>")
    assert parsed.text == "😀 a😀 c"
    assert entities("😀 <b>a😀</b> <i>c</i>") == [("bold", 3, 3), ("italic", 7, 1)]


def test_nested_tags_are_sorted_outer_first() -> None:
    assert entities("<b>one <i>two</i></b>") == [("bold", 0, 7), ("italic", 4, 3)]


def test_links_keep_their_address() -> None:
    parsed = parse_html('<a href="https://example.org/?a=1&amp;b=2">here</a>')
    assert parsed.text == "here"
    assert parsed.entities[0]["url"] == "https://example.org/?a=1&b=2"
    assert parse_html('<a href="javascript:alert(1)">here</a>').entities == ()
    assert parse_html("<a>example.org</a>").entities[0]["url"] == "http://example.org"


def test_special_tags_are_read() -> None:
    assert entities('<span class="tg-spoiler">x</span>') == [("spoiler", 0, 1)]
    assert entities("<blockquote expandable>x</blockquote>") == [("expandable_blockquote", 0, 1)]
    emoji = parse_html('<tg-emoji emoji-id="5">👍</tg-emoji>').entities[0]
    assert (emoji["type"], emoji["custom_emoji_id"]) == ("custom_emoji", "5")
    code = parse_html('<pre><code class="language-python">x = 1</code></pre>').entities
    assert [(one["type"], one["language"]) for one in code] == [("pre", "python")]


def test_character_references_are_decoded_where_telegram_does() -> None:
    assert parse_html("&lt;b&gt; &amp; &quot; &#65; &#x1F600;").text == '<b> & " A 😀'
    assert parse_html("a & b &nbsp; &copy;").text == "a & b &nbsp; &copy;"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("<b>x", 'Can\'t find end tag corresponding to start tag "b"'),
        ("x</b>", "Unexpected end tag at byte offset 1"),
        (
            "é<b>x</i>",
            'Unmatched end tag at byte offset 6, expected "</b>", found "</i>"',
        ),
        ("<div>x</div>", 'Unsupported start tag "div" at byte offset 0'),
        ("a < b", 'Unsupported start tag "" at byte offset 2'),
        ("é <3 é>", 'Unsupported start tag "3" at byte offset 3'),
        ("<b", "Unclosed start tag at byte offset 0"),
        ("<b ", "Unclosed start tag at byte offset 0"),
        ("<b>x</b", "Unclosed end tag at byte offset 4"),
        ('<span class="red">x</span>', 'Tag "span" must have class "tg-spoiler" at byte offset 0'),
        ("<b>x<script>y</script></b>", 'Unsupported start tag "script" at byte offset 4'),
    ],
)
def test_malformed_html_is_refused_in_telegrams_words(source: str, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_html(source)
    assert refused.value.description == f"Bad Request: can't parse entities: {reason}"
    assert refused.value.code == 400


def test_text_is_trimmed_and_entities_move_along() -> None:
    words = formatted("  <b>x</b> y\n", "HTML", None)
    assert words.text == "x y"
    assert words.entities == ({"offset": 0, "length": 1, "type": "bold"},)
    assert formatted("x<b> \n</b>", "HTML", None).entities == ()


def test_links_commands_and_names_are_found() -> None:
    words = formatted(
        "/start@a_bot see https://example.org/a. @ada_l #fun me@example.org", "", None
    )
    assert [one["type"] for one in words.entities] == [
        "bot_command",
        "url",
        "mention",
        "hashtag",
        "email",
    ]
    assert words.entities[1] == {"type": "url", "offset": 17, "length": 21}
    assert formatted("a/b and/or 1/2 </x", "", None).entities == ()
    assert [one["type"] for one in formatted("<code>/help</code>", "html", None).entities] == [
        "code"
    ]


def test_unknown_parse_mode_is_refused() -> None:
    for mode in ("MarkdownV2", "BBCode"):
        with pytest.raises(Refused):
            formatted("x", mode, None)
