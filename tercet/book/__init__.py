"""The limit order book: exact, price-time, compiled."""
