"""`python -m train_cli`."""

from train_cli.cli import app

if __name__ == "__main__":
    app()
