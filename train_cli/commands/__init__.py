"""One thin module per command: parse, one call, print."""
