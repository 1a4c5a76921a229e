"""Gymnasium faces on markets and on bookless worlds with known optima."""
