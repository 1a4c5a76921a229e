"""What we have asked for: where every order stands, and what it has brought."""
