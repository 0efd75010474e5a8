from pathlib import Path
from typing import get_args

import pytest

from bot.errors import SettingsInvalid
from bot.settings import Settings, read_database_url, read_settings
from tests.bot.conftest import MakeSettings

TOKEN = "123456:ABC-DEF"


@pytest.fixture(autouse=True)
def empty_place(
    make_settings: MakeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No variables, and no `.env` but one that a test writes."""
    monkeypatch.chdir(tmp_path)


def test_the_token_alone_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEELBACK_TOKEN", TOKEN)
    settings = read_settings()
    assert settings.bot_id == 123456
    assert settings.database_url == "sqlite:///var/feelback.db"
    assert settings.languages == ("en", "ko")


def test_settings_are_read_from_the_env_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"FEELBACK_TOKEN={TOKEN}\nFEELBACK_ADMIN_IDS=7, 8\nOTHER=1\n")
    assert read_settings().admin_ids == (7, 8)


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEELBACK_TOKEN", TOKEN)
    monkeypatch.setenv("FEELBACK_ADMIN_IDS", "")
    assert read_settings().admin_ids == ()


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("FEELBACK_TOKEN", "", "not set"),
        ("FEELBACK_TOKEN", "hello", "@BotFather"),
        ("FEELBACK_ADMIN_IDS", "7,me", "integer"),
        ("FEELBACK_DATABASE_URL", "mysql://somewhere/db", "SQLite or PostgreSQL"),
        ("FEELBACK_DATABASE_URL", "sqlite://", "must name a file"),
        ("FEELBACK_BASE_URL", "localhost:8081", "http://"),
        ("FEELBACK_ASKING", "seldom", "boolean"),
        ("FEELBACK_DEVICE", "tpu", "'cuda'"),
        ("FEELBACK_RUNTIME", "tensorrt", "'openvino'"),
        ("FEELBACK_THREADS", "0", "greater than or equal to 1"),
        ("FEELBACK_LANGUAGES", "en,xx", "'ko'"),
        ("FEELBACK_LOG_FORMAT", "xml", "'json'"),
        ("FEELBACK_MODEL_POLL_SECONDS", "soon", "number"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_the_variable(
    variable: str, value: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEELBACK_TOKEN", TOKEN)
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsInvalid) as refused:
        read_settings()
    assert refused.value.variable == variable
    line = str(refused.value)
    assert line.startswith(f"{variable}: ")
    assert says in line
    assert "\n" not in line


def test_every_runtime_of_the_engine_can_be_set() -> None:
    from fer_model.runtimes import RUNTIMES

    field = Settings.model_fields["runtime"]
    assert get_args(field.annotation) == RUNTIMES
    assert field.default == "auto"


def test_a_wrong_token_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEELBACK_TOKEN", "123456-very-secret")
    with pytest.raises(SettingsInvalid) as refused:
        read_settings()
    assert "very-secret" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_secrets_are_the_token_and_the_password(make_settings: MakeSettings) -> None:
    settings = make_settings(token=TOKEN, database_url="postgresql://me:hush@host/db")
    assert settings.secrets == (TOKEN, "hush")
    assert TOKEN not in repr(settings)


def test_the_database_needs_no_token() -> None:
    assert read_database_url() == Settings.model_fields["database_url"].default


def test_folders_are_made(make_settings: MakeSettings, tmp_path: Path) -> None:
    make_settings(
        database_url=f"sqlite:///{tmp_path}/a/feelback.db",
        heartbeat=tmp_path / "b" / "beat",
        models=tmp_path / "c" / "models",
    ).make_folders()
    assert (tmp_path / "a").is_dir()
    assert (tmp_path / "b").is_dir()
    assert (tmp_path / "c" / "models").is_dir()


def test_a_folder_that_cannot_be_made_names_its_variable(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsInvalid, match="FEELBACK_HEARTBEAT"):
        make_settings(heartbeat=tmp_path / "file" / "beat").make_folders()
