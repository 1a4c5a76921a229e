"""Tercet: machine learning that trades, honestly measured."""

__version__ = "0.1.0"
