"""What we have asked for: orders, their ledger, the gate before them and the journal that outlives the process."""
