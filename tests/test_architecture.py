"""Who may import whom, as docs/architecture.md states it."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OURS = ("bot", "fer_model", "store", "train_cli", "migrations", "benchmarks", "tests")
MAY_IMPORT = {
    "fer_model": {"fer_model"},
    "store": {"store"},
    "bot": {"bot", "fer_model", "store", "migrations"},  # migrations: `python -m bot db upgrade`
    "bot/playground": {"bot.playground"},
    "train_cli": {"train_cli", "fer_model", "store"},
    "migrations": {"migrations", "store"},
}


def imports_of(file: Path) -> Iterator[str]:
    package = ".".join(file.relative_to(ROOT).with_suffix("").parts[:-1])
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1])
            module = node.module or ""
            yield f"{base}.{module}".strip(".") if node.level else module


def allowed(module: str, permitted: set[str]) -> bool:
    if module.split(".")[0] not in OURS:
        return True
    return any(module == name or module.startswith(f"{name}.") for name in permitted)


def files_of(part: str) -> list[Path]:
    files = sorted((ROOT / part).rglob("*.py"))
    return [f for f in files if part != "bot" or "playground" not in f.relative_to(ROOT).parts]


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_a_part_imports_only_what_the_table_allows(part: str) -> None:
    files = files_of(part)
    assert files
    wrong = [
        f"{file.relative_to(ROOT)}: {module}"
        for file in files
        for module in imports_of(file)
        if not allowed(module, MAY_IMPORT[part])
    ]
    assert wrong == []


def test_the_rule_catches_a_forbidden_import() -> None:
    assert not allowed("store.tables", MAY_IMPORT["fer_model"])
    assert not allowed("bot.inbox", MAY_IMPORT["bot/playground"])
    assert allowed("numpy", MAY_IMPORT["store"])


@pytest.mark.parametrize("part", ["store", "bot.playground"])
def test_importing_it_loads_neither_torch_nor_opencv(part: str) -> None:
    code = (
        f"import sys, {part}; "
        "sys.exit(', '.join(m for m in ('torch', 'cv2') if m in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_only_entry_points_read_the_environment() -> None:
    entry_points = {"bot/settings.py", "bot/cli.py", "bot/__main__.py", "train_cli/commands"}
    wrong = [
        str(file.relative_to(ROOT))
        for part in ("bot", "fer_model", "store", "train_cli", "migrations")
        for file in (ROOT / part).rglob("*.py")
        if "os.environ" in file.read_text(encoding="utf-8")
        and not any(str(file.relative_to(ROOT)).startswith(entry) for entry in entry_points)
        and file.name not in ("__main__.py", "demo.py")
    ]
    assert wrong == []
