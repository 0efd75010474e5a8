import inspect
import re
import subprocess
import sys

from fer_model import errors
from fer_model.errors import FerModelError


def test_docstring_draws_every_error_below_its_base() -> None:
    drawn: dict[str, str] = {}
    open_at: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"^    ([ │├└─]*)([A-Z]\w+)", line)
        if match:
            depth = len(match[1])
            open_at = [(d, name) for d, name in open_at if d < depth]
            drawn[match[2]] = open_at[-1][1] if open_at else "Exception"
            open_at.append((depth, match[2]))
    classes = {
        name: value.__bases__[0].__name__
        for name, value in inspect.getmembers(errors, inspect.isclass)
        if issubclass(value, FerModelError)
    }
    assert drawn == classes


def test_names_alone_cost_no_torch() -> None:
    program = "import sys, fer_model; fer_model.EMOTIONS; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_every_public_name_is_there() -> None:
    program = "import fer_model; [getattr(fer_model, name) for name in fer_model.__all__]"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
