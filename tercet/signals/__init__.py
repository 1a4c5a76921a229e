"""Pillar 1: what may happen next."""
