"""What `tercet bench` measures: each file has a `measure()` that returns its figures by name."""
