"""What may go wrong: forecasts of volatility, correlation, tails and crashes, and the one posture that they set."""
