"""What it costs, as ratios within one run, because machines are noisy: `make bench`."""
