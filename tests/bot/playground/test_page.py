"""The chat page in a real browser, with a bot that answers over HTTP."""

from __future__ import annotations

import io
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from PIL import Image
from playwright.async_api import Browser, Page, async_playwright, expect

from bot.playground import Fault, Playground
from tests.bot.playground.conftest import picture
from tests.bot.playground.scripted_bot import HOSTILE, scripted_bot
from tests.bot_api.check import check_conversation

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
]
PATIENCE = 15_000  # ms

pytestmark = [
    pytest.mark.chromium,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture
async def page(playground: Playground, browser: Browser) -> AsyncIterator[Page]:
    """Ada's chat, with the scripted bot awake; a script error fails the test."""
    context = await browser.new_context(viewport={"width": 1200, "height": 800})
    context.set_default_timeout(PATIENCE)
    page = await context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    async with scripted_bot(playground):
        await page.goto(f"{playground.url}/?person=1001")
        yield page
        await context.close()
    assert errors == []
    check_conversation(playground.requests)


async def started(page: Page) -> None:
    await page.get_by_role("button", name="START").click()
    await expect(page.locator(".row.in[data-id]")).to_have_count(1, timeout=PATIENCE)


async def send(page: Page, text: str) -> None:
    await page.get_by_role("textbox", name="Message").fill(text)
    await page.keyboard.press("Enter")


async def test_start_greets_with_formatted_words_and_a_menu(page: Page) -> None:
    await expect(page.locator(".hello")).to_contain_text("I read the emotions in a face.")
    await started(page)
    words = page.locator(".row.in .words")
    await expect(words).to_contain_text("Hi! Send me a photo of a face and I read it.")
    await expect(words.locator("strong")).to_have_text("read")
    link = words.get_by_role("link", name="how it works")
    await expect(link).to_have_attribute("href", "https://example.org/about")
    await expect(page.locator(".row.out svg[aria-label='Read by the bot']")).to_be_visible()
    await page.get_by_role("button", name="Commands").click()
    await page.get_by_role("button", name="/help What I can do").click()
    await expect(page.locator(".row.in[data-id]").last).to_contain_text("You said: /help")


async def test_words_of_the_bot_are_never_html(page: Page) -> None:
    await started(page)
    await send(page, "hostile")
    await expect(page.locator(".row.in .words").last).to_contain_text(HOSTILE)
    assert await page.locator(".words img").count() == 0
    assert await page.title() == "Feelback playground"


async def test_chosen_photo_is_sent_with_caption_and_answered_in_place(
    page: Page, playground: Playground, tmp_path: Path
) -> None:
    await started(page)
    photo = tmp_path / "face.png"
    photo.write_bytes(picture(1600, 1200))
    await page.locator("#photo-input").set_input_files(photo)
    await page.get_by_role("textbox", name="Caption").fill("my face")
    await page.get_by_role("button", name="Send", exact=True).last.click()
    reading = page.locator(".row.in[data-id]").nth(1)
    await expect(reading).to_contain_text("about 6 would say happy")
    await expect(reading.locator(".quote")).to_contain_text("my face")
    await expect(page.locator(".row.out .words").last).to_contain_text("my face")
    image = reading.locator(".photo img")
    await expect(image).to_have_js_property("complete", True)
    assert await image.evaluate("image => image.naturalWidth") == 1280

    await image.click()
    viewer = page.get_by_role("dialog", name="Photo")
    await expect(viewer).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(viewer).to_be_hidden()


async def test_buttons_spin_toast_and_change_the_message(
    page: Page, playground: Playground
) -> None:
    await started(page)
    await playground.person("Ada").send_photo(picture())
    playground.inject(Fault("slow", "answerCallbackQuery", seconds=0.7))
    right = page.get_by_role("button", name="That's right")
    await right.click()
    await expect(right).to_have_attribute("aria-busy", "true")
    await expect(page.locator(".toast")).to_have_text("Thanks, noted")
    reading = page.locator(".row.in[data-id]").nth(1)
    await expect(reading.locator(".words")).to_contain_text("Noted. Thank you!")
    await expect(reading.locator(".meta")).to_contain_text("edited")
    await expect(right).to_have_count(0)


async def test_alert_waits_for_ok(page: Page, playground: Playground) -> None:
    await started(page)
    await playground.person("Ada").send_photo(picture())
    await page.get_by_role("button", name="What is kept?").click()
    await expect(page.locator("#alert")).to_contain_text("Only numbers, until you allow more.")
    await page.get_by_role("button", name="OK").click()
    await expect(page.locator("#alert")).to_be_hidden()


async def test_message_is_replied_to_edited_reacted_to_and_deleted(
    page: Page, playground: Playground
) -> None:
    await started(page)
    first = page.locator(".row.in[data-id]").first
    await first.hover()
    await first.get_by_role("button", name="Reply").click()
    await expect(page.locator("#context")).to_contain_text("Reply to Feelback")
    await send(page, "no, she looks angry")
    mine = page.locator(".row.out").last
    await expect(mine.locator(".quote")).to_contain_text("Hi! Send me a photo")
    await expect(page.locator(".row.in[data-id]").last).to_contain_text(
        "You said: no, she looks angry"
    )

    await mine.hover()
    await mine.get_by_role("button", name="Edit").click()
    await send(page, "no, she looks sad")
    await expect(page.locator(".row.in[data-id]").last).to_contain_text(
        "You now say: no, she looks sad"
    )
    await expect(mine.locator(".words")).to_contain_text("no, she looks sad")
    await expect(mine.locator(".meta")).to_contain_text("edited")

    await first.hover()
    await first.get_by_role("button", name="React 👍").click()
    await expect(first.locator(".reaction.mine")).to_have_text("👍")
    await expect(page.locator(".row.in[data-id]").last).to_contain_text("Your reaction: 👍")

    await mine.hover()
    await mine.get_by_role("button", name="Delete").click()
    await expect(page.locator(".row.out")).to_have_count(1)
    assert [one.text for one in await playground.person("Ada").messages() if not one.from_bot] == [
        "/start"
    ]


async def test_webcam_takes_a_photo(page: Page, playground: Playground) -> None:
    await started(page)
    await page.get_by_role("button", name="Attach").click()
    await page.get_by_role("button", name="Webcam").click()
    await page.get_by_role("button", name="Take photo").click()
    await expect(page.get_by_role("heading", name="Send a photo")).to_be_visible()
    await page.get_by_role("button", name="Send", exact=True).last.click()
    await expect(page.locator(".row.in[data-id]").nth(1)).to_contain_text("about 6 would say happy")
    sent = next(one for one in await playground.person("Ada").messages() if one.has_photo)
    with Image.open(io.BytesIO(await playground.person("Ada").download(sent))) as photo:
        assert min(photo.size) >= 240
        assert len(photo.convert("L").getcolors(1 << 20) or []) > 2  # not one black frame


GIVE_FILE = """([kind, type, bytes]) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([new Uint8Array(bytes)], "given.png", { type }));
  const given = kind === "paste"
    ? new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true })
    : new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true });
  document.body.dispatchEvent(given);
}"""


@pytest.mark.parametrize("kind", ["paste", "drop"])
async def test_photo_is_pasted_or_dropped_and_sent_as_a_file(
    kind: str, page: Page, playground: Playground
) -> None:
    await started(page)
    content = picture(200, 150)
    if kind == "drop":
        await page.evaluate(GIVE_FILE, ["dragenter", "image/png", list(content)])
        await expect(page.locator("#drop")).to_be_visible()
    await page.evaluate(GIVE_FILE, [kind, "image/png", list(content)])
    await expect(page.locator("#drop")).to_be_hidden()
    await page.get_by_label("Send as file, unscaled").check()
    await page.get_by_role("button", name="Send", exact=True).last.click()
    await expect(page.locator(".row.out .file")).to_contain_text("given.png")
    await expect(page.locator(".row.in[data-id]").nth(1)).to_contain_text("about 6 would say happy")
    sent = next(one for one in await playground.person("Ada").messages() if "document" in one.raw)
    assert await playground.person("Ada").download(sent) == content


async def test_person_is_switched_and_unread_messages_are_counted(
    page: Page, playground: Playground
) -> None:
    await started(page)
    await playground.person("Minji").start()
    minji = page.get_by_role("button", name="Minji")
    await expect(minji.locator(".unread")).to_have_text("1")
    await expect(page.locator(".row[data-id]")).to_have_count(2)
    await minji.click()
    await expect(page.locator(".row.out")).to_contain_text("/start")
    await expect(minji.locator(".unread")).to_have_count(0)
    await send(page, "안녕")
    await expect(page.locator(".row.in[data-id]").last).to_contain_text("You said: 안녕")
    assert (await playground.person("Ada").messages())[0].text == "/start"
    await page.get_by_role("button", name="Admin").click()
    await expect(page.get_by_role("button", name="START")).to_be_visible()


async def test_typing_is_shown_until_the_answer_comes(page: Page, playground: Playground) -> None:
    await started(page)
    playground.inject(Fault("slow", "sendPhoto", seconds=1.0))
    await playground.person("Ada").send_photo(picture())
    await expect(page.locator("#bot-status")).to_have_text("sending a photo…")
    await expect(page.locator("#typing")).to_be_visible()
    await expect(page.locator(".row.in[data-id]")).to_have_count(2)
    await expect(page.locator("#typing")).to_be_hidden()


async def test_bot_is_blocked_and_unblocked(page: Page, playground: Playground) -> None:
    await started(page)
    await page.get_by_role("button", name="Block the bot").click()
    await page.get_by_role("button", name="UNBLOCK").click()
    await send(page, "back again")
    await expect(page.locator(".row.in[data-id]").last).to_contain_text("You said: back again")


async def test_narrow_screen_hides_the_people_in_a_drawer(
    page: Page, playground: Playground
) -> None:
    await page.set_viewport_size({"width": 390, "height": 844})
    await started(page)
    grace = page.get_by_role("button", name="Grace")
    await expect(grace).to_be_hidden()
    await page.get_by_role("button", name="Switch person").click()
    await grace.click()
    await expect(grace).to_be_hidden()
    await expect(page.get_by_role("button", name="START")).to_be_visible()
    width = await page.evaluate("document.documentElement.scrollWidth")
    assert width == 390
