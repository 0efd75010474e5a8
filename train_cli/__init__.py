"""The Typer program that prepares data, trains, evaluates, retrains and promotes."""
