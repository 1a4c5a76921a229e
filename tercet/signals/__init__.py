"""What may happen next: features of the market as it was known, and what is made of them."""
