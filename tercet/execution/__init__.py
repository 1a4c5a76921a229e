"""How to get there at least cost: what a policy sees, what it may do, and what that cost."""
