"""Policies on markets: the hot loop, the runner, the comparison."""
