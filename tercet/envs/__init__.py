"""Gymnasium faces on markets and on bookless worlds with known optima. Importing this makes their ids known to Gymnasium."""

from tercet.envs.registration import register_all

register_all()
