"""Fixtures of the command line's tests; the functions behind them are in cli_builders."""

from cli_builders import _own_place, labelled, photo, photos, radseg, toy

__all__ = ["_own_place", "labelled", "photo", "photos", "radseg", "toy"]
