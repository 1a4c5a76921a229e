"""HTML pages of what others measured: one file each, opened by any browser without a network."""
