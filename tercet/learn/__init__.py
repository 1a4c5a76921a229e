"""Agents that learn: Stable-Baselines3 on the members' faces."""
