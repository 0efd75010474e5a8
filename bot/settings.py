"""Every setting of the bot, read from the environment and `.env`, and checked at start."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError
from sqlalchemy import make_url

from bot.errors import SettingsInvalid
from store.engine import async_url
from store.errors import DatabaseUrlInvalid

PREFIX = "FEELBACK_"
TOKEN_SHAPE = re.compile(r"\d+:[A-Za-z0-9_-]+")

Language = Literal["en", "ko"]


def _split(value: Any) -> Any:
    """Split "1, 2" into its parts, as lists are written in the environment."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


class Settings(BaseSettings):
    """What can be set, each as FEELBACK_ and its name in capitals.

    Attributes:
        token: From @BotFather.
        database_url: SQLite file or PostgreSQL; a relative file is relative to where one starts.
        admin_ids: Telegram user ids, separated by commas, that may use `/stats` and `/review`.
        base_url: The Bot API's address up to the token, Telegram's own by default.
        base_file_url: Likewise for downloads.
        languages: In which the menu of commands is offered; the first is for everybody else.
        asking: Whether the bot asks, now and then, which of two emotions a face is closer to.
        device: Where the networks run.
        runtime: What runs the networks there; `auto` is the fastest at equal accuracy.
        threads: How many threads torch may use; unset leaves it to torch.
        models: Where retrained versions are.
        model_poll_seconds: How often the bot looks for a newly promoted version.
        concurrency: How many updates, of as many chats, are worked on at a time.
        lease_seconds: How long after a crash its updates are left alone.
        max_attempts: How often an update that fails is tried before it is parked.
        put_deadline_seconds: How long the database may be away before the process stops.
        drain_seconds: How long running handlers get to finish when the process is stopped.
        heartbeat: The file whose age says whether the bot is alive.
        log_format: For people, or one JSON object per line.
        log_level: From which level on.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",  # .env is shared with train_cli and the compose file
        frozen=True,
        hide_input_in_errors=True,
    )

    token: SecretStr
    database_url: str = "sqlite:///var/feelback.db"
    admin_ids: Annotated[tuple[int, ...], NoDecode, BeforeValidator(_split)] = ()
    base_url: str = "https://api.telegram.org/bot"
    base_file_url: str = "https://api.telegram.org/file/bot"
    languages: Annotated[tuple[Language, ...], NoDecode, BeforeValidator(_split)] = Field(
        default=("en", "ko"), min_length=1
    )
    asking: bool = True
    device: Literal["cpu", "cuda", "auto"] = "cpu"
    runtime: Literal[
        "auto", "torch", "torch-bf16", "torch-fp16", "torch-compiled", "openvino", "openvino-bf16"
    ] = "auto"
    threads: int | None = Field(default=None, ge=1)
    models: Path = Path("var/models")
    model_poll_seconds: float = Field(default=5.0, gt=0)
    concurrency: int = Field(default=8, ge=1, le=256)
    lease_seconds: float = Field(default=30.0, ge=1)
    max_attempts: int = Field(default=5, ge=1)
    put_deadline_seconds: float = Field(default=60.0, gt=0)
    drain_seconds: float = Field(default=8.0, ge=0)  # Docker kills after 10
    heartbeat: Path = Path("var/heartbeat")
    log_format: Literal["console", "json"] = "console"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("token")
    @classmethod
    def _check_token(cls, token: SecretStr) -> SecretStr:
        if not TOKEN_SHAPE.fullmatch(token.get_secret_value()):
            raise ValueError("not a bot token, which looks like 123456:ABC-DEF; see @BotFather")
        return token

    @field_validator("database_url")
    @classmethod
    def _check_database_url(cls, url: str) -> str:
        try:
            async_url(url)
        except DatabaseUrlInvalid as error:
            raise ValueError(str(error)) from error
        return url

    @field_validator("base_url", "base_file_url")
    @classmethod
    def _check_address(cls, url: str) -> str:
        if not url.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return url

    @property
    def bot_id(self) -> int:
        """The bot's user id, which is the token's first part."""
        return int(self.token.get_secret_value().partition(":")[0])

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be seen in a log."""
        password = make_url(self.database_url).password
        return tuple(
            secret for secret in (self.token.get_secret_value(), password) if secret is not None
        )

    def make_folders(self) -> None:
        """Make the folders of what the bot writes.

        Raises:
            SettingsInvalid: one cannot be made.
        """
        folders = {"HEARTBEAT": self.heartbeat.parent, "MODELS": self.models}
        url = async_url(self.database_url)
        if url.get_backend_name() == "sqlite" and url.database is not None:
            folders["DATABASE_URL"] = Path(url.database).parent
        for name, folder in folders.items():
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise SettingsInvalid(
                    PREFIX + name, f"cannot make the folder {folder}: {error.strerror}"
                ) from error


class _Places(BaseSettings):
    """The settings of commands that talk to nobody and need no token."""

    model_config = Settings.model_config

    database_url: str = Settings.model_fields["database_url"].default
    heartbeat: Path = Settings.model_fields["heartbeat"].default


def read_database_url() -> str:
    """Return where the database is, whatever the other settings are like."""
    return _Places().database_url


def read_heartbeat() -> Path:
    """Return where the heartbeat is, whatever the other settings are like."""
    return _Places().heartbeat


def read_settings() -> Settings:
    """Return the settings of this environment.

    Raises:
        SettingsInvalid: the first one that is missing or wrong.
    """
    try:
        return Settings()  # type: ignore[call-arg]  # they come from the environment
    except ValidationError as error:
        raise _first(error) from None  # the cause would show what was set
    except SettingsError as error:
        raise SettingsInvalid(".env", str(error)) from None


def _first(error: ValidationError) -> SettingsInvalid:
    problem = error.errors(include_input=False, include_url=False)[0]
    variable = PREFIX + str(problem["loc"][0]).upper()
    if problem["type"] == "missing":
        return SettingsInvalid(variable, "not set; put it into the environment or into .env")
    return SettingsInvalid(variable, problem["msg"].removeprefix("Value error, "))
