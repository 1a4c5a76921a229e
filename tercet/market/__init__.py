"""What happened: files and feeds of every kind become EVENTs, kept in a memory-mapped store."""
