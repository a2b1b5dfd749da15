"""Who asks: one file for each protocol."""
