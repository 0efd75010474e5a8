import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from sqlalchemy.exc import OperationalError
from telegram import Update

from bot.logs import HIDDEN, Redaction, configure

TOKEN = "4242424242:AAPlaygroundPlaygroundPlaygroundPlay"


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


@pytest.fixture(params=["console", "json"])
def out(request: pytest.FixtureRequest) -> io.StringIO:
    stream = io.StringIO()
    configure(log_format=request.param, level="debug", secrets=[TOKEN, "hush/hush"], stream=stream)
    return stream


def test_the_token_is_hidden_in_values_and_names(out: io.StringIO) -> None:
    structlog.get_logger("bot").info(f"asked {TOKEN}", url=f"https://x/bot{TOKEN}/getMe", n=[TOKEN])
    logging.getLogger("other").warning("asked %s", f"https://x/bot{TOKEN}/getMe")
    assert TOKEN not in out.getvalue()
    assert TOKEN.partition(":")[2] not in out.getvalue()
    assert out.getvalue().count(HIDDEN) == 4


def test_the_token_is_hidden_in_tracebacks(out: io.StringIO) -> None:
    try:
        raise ValueError(f"https://x/bot{TOKEN}/getMe")
    except ValueError:
        structlog.get_logger("bot").exception("handler failed")
        logging.getLogger("other").exception("handler failed")
    assert out.getvalue().count("ValueError") >= 2
    assert TOKEN not in out.getvalue()


def test_any_other_token_and_the_quoted_password_are_hidden() -> None:
    redact = Redaction(["hush/hush"])
    assert redact("bot123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/x") == f"bot{HIDDEN}/x"
    assert redact("postgresql://me:hush%2Fhush@host") == f"postgresql://me:{HIDDEN}@host"
    assert redact("12:34, 2026-11-22 18:00:01") == "12:34, 2026-11-22 18:00:01"


def test_what_was_to_be_written_is_hidden(out: io.StringIO) -> None:
    error = OperationalError(
        "INSERT INTO inbox VALUES (?)", ("my [secret] words\nand more",), OSError("disk full")
    )
    structlog.get_logger("bot").error("write failed", exc_info=error)
    assert "disk full" in out.getvalue()
    assert "secret" not in out.getvalue()
    assert "and more" not in out.getvalue()


def test_updates_photos_and_local_variables_are_not_printed(out: io.StringIO) -> None:
    update = Update.de_json(
        {
            "update_id": 1,
            "message": {
                "message_id": 1,
                "date": 1,
                "chat": {"id": 1, "type": "private"},
                "text": "my words",
            },
        },
        None,
    )
    photo = b"photo-bytes"
    log = structlog.get_logger("bot")
    log.info("got", update=update, photo=photo)
    logging.getLogger("telegram.ext.Application").critical("not processed: %s", update)
    logging.getLogger("telegram.request").error('invalid JSON: "%s"', '{"text": "my words"}')
    try:
        raise RuntimeError("broken")
    except RuntimeError:
        log.exception("handler failed")
    assert "my words" not in out.getvalue()
    assert "b'photo-bytes'" not in out.getvalue()
    assert "<Update>" in out.getvalue()


def test_requests_are_not_logged(out: io.StringIO) -> None:
    logging.getLogger("httpx").info("HTTP Request: POST https://x/botTOKEN/getMe")
    logging.getLogger("telegram.ext.Updater").debug("update")
    assert out.getvalue() == ""


def test_json_is_one_object_per_line() -> None:
    stream = io.StringIO()
    configure(log_format="json", level="info", secrets=[], stream=stream)
    structlog.get_logger("bot").info("ready", bot="feelback")
    try:
        raise RuntimeError("broken")
    except RuntimeError:
        logging.getLogger("other").exception("oh")
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (first["event"], first["bot"], first["level"]) == ("ready", "feelback", "info")
    assert "RuntimeError: broken" in second["exception"]
