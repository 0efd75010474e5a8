"""`fer_model.uris`."""

from pathlib import Path

import pytest

from fer_model import uris
from fer_model.errors import VersionMissing
from fer_model.uris import version_path, version_uri

DIGEST = "ab" * 32


def ship(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    monkeypatch.setattr(uris, "shipped_version", lambda: path)


def ship_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> Path:
        raise VersionMissing(Path("weights"))

    monkeypatch.setattr(uris, "shipped_version", missing)


def test_shipped_version_is_found_again_after_a_reinstall_in_another_place(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ship(monkeypatch, tmp_path / "old" / DIGEST)
    uri = version_uri(tmp_path / "old" / DIGEST)
    ship(monkeypatch, tmp_path / "new" / DIGEST)
    assert uri == f"shipped:{DIGEST}"
    assert version_path(uri) == tmp_path / "new" / DIGEST


def test_path_of_any_other_version_survives_the_round_trip(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ship_nothing(monkeypatch)
    place = tmp_path / "with space, ü and #" / DIGEST
    assert version_path(version_uri(place)) == place


def test_relative_path_becomes_an_absolute_uri(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ship_nothing(monkeypatch)
    monkeypatch.chdir(tmp_path)
    assert version_path(version_uri(Path("models", DIGEST))) == tmp_path / "models" / DIGEST


def test_version_that_is_shipped_no_more_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ship(monkeypatch, tmp_path / DIGEST)
    with pytest.raises(VersionMissing, match="another release"):
        version_path("shipped:" + "cd" * 32)


@pytest.mark.parametrize("uri", ["", "models/abc", "https://host/abc", "file:abc", "file://h/abc"])
def test_anything_else_is_refused(uri: str) -> None:
    with pytest.raises(VersionMissing, match="not the address of a model version"):
        version_path(uri)
