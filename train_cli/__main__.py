"""`python -m train_cli`, and the console script `train_cli`."""

from train_cli.cli import app


def main() -> None:
    """Runs the command line."""
    app()


if __name__ == "__main__":
    main()
