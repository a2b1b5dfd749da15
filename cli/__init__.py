"""For who operates it: the `oncall` command, which explains, foresees and checks decisions."""
