"""Photographs the exchange for the README: `python docs/pictures/exchange.py`, from the root.

Needs the development packages and Chromium. The bot is the real one, with the shipped weights.
"""

import asyncio
import shutil
from pathlib import Path

from playwright.async_api import async_playwright
from rich.console import Console

from bot.playground import Playground
from bot.playground.demo import Stage, astronaut, environment_for, running_bot

FOLDER = Path("var/exchange")
OUT = Path(__file__).with_name("exchange.png")


async def main() -> None:
    """Plays the exchange and takes the picture."""
    async with Playground() as playground:
        stage = Stage(FOLDER, environment_for(playground, FOLDER), Console(stderr=True))
        await stage.command("bot", "db", "upgrade", quiet=True)
        async with running_bot(stage, playground), async_playwright() as playwright:
            ada = playground.person("Ada")
            await ada.send_photo(astronaut())
            answer = await ada.next_message(60)
            await ada.send_text("wrong, it's sad", reply_to=answer)
            await ada.wait_for(lambda message: "sad" in message.text and not message.has_photo)
            browser = await playwright.chromium.launch(
                executable_path=shutil.which("chromium"),
                args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
            )
            page = await browser.new_page(
                viewport={"width": 1000, "height": 1010}, color_scheme="light"
            )
            await page.goto(f"{playground.url}/?person={ada.id}")
            await page.get_by_text("noted as sad").first.wait_for()
            await page.wait_for_timeout(1000)
            answered = page.get_by_text("Of ten people").locator("xpath=ancestor::*[.//img][1]")
            await answered.first.evaluate("bubble => bubble.scrollIntoView({block: 'start'})")
            await page.wait_for_timeout(500)
            await page.screenshot(path=OUT)
            await browser.close()


if __name__ == "__main__":
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    asyncio.run(main())
