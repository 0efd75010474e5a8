"""`python -m migrations MESSAGE`: write the next migration, from head to what the tables say.

For those who change `store.tables`. Compares on a throw-away SQLite database. The result must be
read, tidied, and added to `store.schema.REVISIONS`. Users run `python -m bot db upgrade`.
"""

import sys
import tempfile
from pathlib import Path

from migrations.commands import head, upgrade, write_revision


def main(arguments: list[str]) -> int:
    """Write the migration and print its path."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'head.db'}"
        upgrade(url)
        print(write_revision(arguments[0], f"{int(head()) + 1:04}", url))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
