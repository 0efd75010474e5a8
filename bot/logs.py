"""Logs: a line per event, for people or as JSON, without the token or what people sent."""

import logging
import re
import sys
from collections.abc import Sequence
from typing import Any, TextIO
from urllib.parse import quote

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger
from telegram import TelegramObject

HIDDEN = "[hidden]"

# Any bot token, also one that is not ours, as in a URL of the Bot API.
ANY_TOKEN = re.compile(r"(?<!\d)\d{5,}(?::|%3A)[A-Za-z0-9_-]{20,}")
# SQLAlchemy's errors show what was to be written: a person's words, or a face.
SQL_PARAMETERS = re.compile(r"\[parameters: .*?\](?=\s*(?:\n|$|\(Background))", re.DOTALL)

# At INFO or DEBUG they log every request with the token in its URL, and every update.
TALKATIVE = ("httpx", "httpcore", "hpack", "telegram", "aiosqlite", "asyncio", "PIL", "matplotlib")


class Redaction:
    """Takes secrets out of a text.

    Args:
        secrets: What must not be seen, besides anything that looks like a bot's token.
    """

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        spelled = {spelling for secret in secrets for spelling in (secret, quote(secret, safe=""))}
        self._secrets = sorted((secret for secret in spelled if secret), key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """Return the text without them."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        text = ANY_TOKEN.sub(HIDDEN, text)
        return SQL_PARAMETERS.sub("[parameters hidden]", text)

    def values(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        """Take them out of an event's texts, before it is rendered."""
        return {
            key: self(value) if isinstance(value, str) else value for key, value in event.items()
        }


class RedactingFormatter(structlog.stdlib.ProcessorFormatter):
    """Renders a record and redacts the result, its traceback included."""

    def __init__(self, redaction: Redaction, processors: Sequence[Processor]) -> None:
        shared: list[Processor] = [
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ]
        super().__init__(processors=list(processors), foreign_pre_chain=shared)
        self._redaction = redaction

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, or the lines of an event with a traceback."""
        return self._redaction(super().format(_without_words(record)))


def configure(
    *, log_format: str, level: str, secrets: Sequence[str], stream: TextIO | None = None
) -> None:
    """Send every log of this process to `stream`, standard error by default."""
    out = sys.stderr if stream is None else stream
    renderer: Processor
    if log_format == "json":
        renderer = structlog.processors.JSONRenderer(ensure_ascii=False)
    else:
        # Not Rich's tracebacks: they print local variables, photos among them.
        renderer = structlog.dev.ConsoleRenderer(
            colors=out.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    rendering: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    redaction = Redaction(secrets)
    if log_format == "json":
        # Before JSON escapes what the patterns look for.
        rendering += [structlog.processors.format_exc_info, redaction.values]
    handler = logging.StreamHandler(out)
    handler.setFormatter(RedactingFormatter(redaction, [*rendering, renderer]))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.filter_by_level,
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _without_bytes,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _without_bytes(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Name what must not be printed instead of printing it."""
    for key, value in event.items():
        if isinstance(value, (bytes, bytearray, memoryview, TelegramObject)):
            event[key] = _kind(value)
    return event


def _without_words(record: logging.LogRecord) -> logging.LogRecord:
    """Take updates and answers, which python-telegram-bot logs in its errors, out of a record."""
    if record.name.partition(".")[0] != "telegram" or not isinstance(record.args, tuple):
        return record
    record.args = tuple(
        value if isinstance(value, (int, float, Exception)) else _kind(value)
        for value in record.args
    )
    return record


def _kind(value: Any) -> str:
    return f"<{type(value).__name__}>"
