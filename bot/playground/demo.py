"""`make demo`: the whole story on this machine, in a terminal, then the chat page to go on by hand.

It starts the stand-in here and the unmodified bot as a process of its own, plays a person who
sends a photo and corrects the answer, retrains, and promotes the candidate. Every step checks what
it shows; the first wrong one ends the demo with exit code 1.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.panel import Panel

from bot.playground.client import ChatMessage, Person
from bot.playground.errors import PlaygroundError
from bot.playground.playground import ADMIN_ID, Playground

START_SECONDS = 60.0  # the first answer is promised within a minute
ANSWER_SECONDS = 30.0
SWAP_SECONDS = 60.0
REASON = "demo: one correction proves nothing, but the swap should be seen"


class DemoFailed(Exception):
    """Something that was shown is not what it should be."""


@dataclass(frozen=True)
class Stage:
    """Where one demo runs: its folder, and the environment its processes get."""

    folder: Path
    environment: dict[str, str]
    console: Console

    @property
    def bot_log(self) -> Path:
        """What the bot printed."""
        return self.folder / "bot.log"

    def say(self, who: str, words: str, style: str) -> None:
        """Shows one message of the chat."""
        self.console.print(Panel(words, title=who, title_align="left", border_style=style))

    def tell(self, words: str) -> None:
        """Says what happens next."""
        self.console.print(f"\n[bold]{words}[/bold]")

    async def command(self, *arguments: str, expect: int = 0, quiet: bool = False) -> str:
        """Runs `python -m ARGUMENTS` and returns its stdout; shows it unless quiet.

        Raises:
            DemoFailed: It ended with another exit code than expected.
        """
        if not quiet:
            self.console.print(f"[dim]$ python -m {' '.join(arguments)}[/dim]", highlight=False)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            *arguments,
            env=self.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=None if not quiet else asyncio.subprocess.DEVNULL,
        )
        out, _ = await process.communicate()
        if not quiet:
            sys.stdout.write(out.decode())
            sys.stdout.flush()
        if process.returncode != expect:
            raise DemoFailed(f"`{' '.join(arguments)}` ended with {process.returncode}")
        return out.decode()


async def play(stage: Stage, playground: Playground, started: float) -> None:
    """The exchange itself.

    Raises:
        DemoFailed: A step did not do what it should.
        PlaygroundError: The bot did not answer in time.
    """
    ada, admin = playground.person("Ada"), playground.person(ADMIN_ID)
    photo = astronaut()

    stage.tell("1. Ada sends a photo")
    answer = await _read(stage, ada, photo)
    stage.console.print(f"[dim]first answer {time.monotonic() - started:.0f} s after the start[/]")
    _check("people" in answer.text, "the answer tells no blend")
    picture = stage.folder / "answer.jpg"
    picture.write_bytes(await ada.download(answer))
    stage.console.print(f"[dim]the picture it sent: {picture}[/dim]")

    stage.tell("2. Ada disagrees")
    await ada.send_text("wrong, it's sad", reply_to=answer)
    stage.say("Ada", "wrong, it's sad", "cyan")
    thanks = await ada.next_message(ANSWER_SECONDS)
    stage.say("Feelback", thanks.text, "green")
    _check("sad" in thanks.text, "the correction was not acknowledged as sad")
    await _consent(stage, ada)
    before = await _statistics(stage, admin)
    _check("1" in before, "the statistics do not count the correction")

    stage.tell("3. A retrain folds the correction in, and the gate judges it")
    await stage.command("train_cli", "retrain")
    versions = await _versions(stage)
    candidate = _only(versions, "candidate")

    stage.tell("4. Promoting it as it stands is refused; an override is recorded with its reason")
    await stage.command("train_cli", "models", "promote", candidate, expect=1)
    await stage.command(
        "train_cli", "models", "promote", candidate, "--override", "--reason", REASON
    )
    _check(_only(await _versions(stage), "current") == candidate, "the candidate is not current")
    await stage.command("train_cli", "models", "list")

    stage.tell("5. The running bot picks the new version up and answers with it")
    await _swapped(admin, candidate)
    await _read(stage, ada, photo)
    await _statistics(stage, admin)


async def _read(stage: Stage, person: Person, photo: bytes) -> ChatMessage:
    await person.send_photo(photo)
    stage.say(person.name, "(a photo)", "cyan")
    answer = await person.next_message(START_SECONDS)
    stage.say("Feelback", f"(the photo with its faces boxed)\n{answer.text}", "green")
    _check(answer.has_photo, "the answer has no picture")
    return answer


async def _consent(stage: Stage, person: Person) -> None:
    question = await person.next_message(ANSWER_SECONDS)
    stage.say("Feelback", question.text, "green")
    yes = question.button_texts[0]
    await person.press_and_wait(question, yes)
    stage.say(person.name, f"[{yes}]".replace("[", r"\["), "cyan")
    agreed = await person.wait_for(
        lambda now: now.id >= question.id and now.text != question.text, ANSWER_SECONDS
    )
    stage.say("Feelback", agreed.text, "green")


async def _statistics(stage: Stage, admin: Person) -> str:
    await admin.send_text("/stats")
    answer = await admin.next_message(ANSWER_SECONDS)
    stage.say("Admin", "/stats", "magenta")
    stage.say("Feelback", answer.text, "green")
    (stage.folder / "stats.png").write_bytes(await admin.download(answer))
    return answer.text


async def _swapped(admin: Person, digest: str) -> None:
    """Returns once the bot says that it answers with the version."""
    deadline = time.monotonic() + SWAP_SECONDS
    while time.monotonic() < deadline:
        await admin.send_text("/model")
        if digest[:12] in (await admin.next_message(ANSWER_SECONDS)).text:
            return
        await asyncio.sleep(1)
    raise DemoFailed(f"the bot did not pick {digest[:12]} up within {SWAP_SECONDS:.0f} s")


async def _versions(stage: Stage) -> Sequence[dict[str, str]]:
    text = await stage.command("train_cli", "models", "list", "--json", quiet=True)
    versions: Sequence[dict[str, str]] = json.loads(text)
    return versions


def _only(versions: Sequence[dict[str, str]], state: str) -> str:
    found = [version["digest"] for version in versions if version["state"] == state]
    if len(found) != 1:
        raise DemoFailed(f"{len(found)} versions are {state}, not one")
    return found[0]


def _check(right: bool, complaint: str) -> None:
    if not right:
        raise DemoFailed(complaint)


def astronaut() -> bytes:
    """Eileen Collins, photographed by NASA (public domain), as scikit-image ships her: JPEG."""
    from PIL import Image
    from skimage import data

    buffer = io.BytesIO()
    pixels = data.astronaut()  # type: ignore[no-untyped-call]  # scikit-image leaves it untyped
    Image.fromarray(pixels).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def environment_for(playground: Playground, folder: Path) -> dict[str, str]:
    """What the bot's and the trainer's processes are told: other base URLs, and a fresh home."""
    return os.environ | {
        "FEELBACK_TOKEN": playground.token,
        "FEELBACK_BASE_URL": playground.base_url,
        "FEELBACK_BASE_FILE_URL": playground.base_file_url,
        "FEELBACK_DATABASE_URL": f"sqlite+aiosqlite:///{(folder / 'demo.db').resolve()}",
        "FEELBACK_MODELS": str((folder / "models").resolve()),
        "FEELBACK_ADMIN_IDS": str(ADMIN_ID),
        "FEELBACK_MODEL_POLL_SECONDS": "1",
    }


@contextlib.asynccontextmanager
async def running_bot(stage: Stage, playground: Playground) -> AsyncIterator[int]:
    """The unmodified bot as a process, until the end of the block; gives its process id.

    Raises:
        DemoFailed: It ended before it asked for updates.
    """
    with stage.bot_log.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", "run", env=stage.environment, stdout=log, stderr=log
        )
        try:
            await _polled(process, playground, stage)
            yield process.pid
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
                try:
                    await asyncio.wait_for(process.wait(), 20)
                except TimeoutError:
                    process.kill()


async def _polled(
    process: asyncio.subprocess.Process, playground: Playground, stage: Stage
) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not playground.world.updates.polled:
        if process.returncode is not None or time.monotonic() > deadline:
            raise DemoFailed(f"the bot did not start: {_tail(stage.bot_log)}")
        await asyncio.sleep(0.1)


def _tail(path: Path) -> str:
    lines = path.read_text(errors="replace").strip().splitlines()
    return "\n".join(lines[-5:]) or "it printed nothing"


async def demo(port: int, folder: Path, once: bool, wait: Callable[[], asyncio.Event]) -> int:
    """Plays the exchange; serves on afterwards unless `once`. Returns the exit code."""
    console = Console(highlight=False)
    started = time.monotonic()
    async with Playground(port=port) as playground:
        stage = Stage(folder, environment_for(playground, folder), console)
        console.print("Starting the stand-in for Telegram and the bot ...")
        try:
            await stage.command("bot", "db", "upgrade", quiet=True)
            async with running_bot(stage, playground):
                await play(stage, playground, started)
                console.print("\n[bold green]Everything above happened for real.[/bold green]")
                if not once:
                    console.print(
                        f"Go on by hand: [bold]{playground.url}/[/bold]  (Ctrl-C ends it)\n"
                        f"[dim]database, pictures and the bot's log: {folder}[/dim]"
                    )
                    await wait().wait()
        except (DemoFailed, PlaygroundError) as error:
            console.print(f"[bold red]The demo failed:[/bold red] {error}", markup=True)
            console.print(f"[dim]{_tail(stage.bot_log) if stage.bot_log.exists() else ''}[/dim]")
            return 1
    return 0


def _stopped() -> asyncio.Event:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped


def main(arguments: Sequence[str] | None = None) -> int:
    """Parses the command line and runs the demo; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bot.playground.demo", description=__doc__)
    parser.add_argument("--port", type=int, default=8081, help="0 takes a free one")
    parser.add_argument("--folder", type=Path, default=Path("var/demo"))
    parser.add_argument("--once", action="store_true", help="exit after the exchange")
    chosen = parser.parse_args(arguments)
    shutil.rmtree(chosen.folder, ignore_errors=True)
    chosen.folder.mkdir(parents=True)
    try:
        return asyncio.run(demo(chosen.port, chosen.folder, chosen.once, _stopped))
    except OSError as error:
        print(f"cannot serve on port {chosen.port}: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
