"""Protocols, runs and reports of the published evaluations."""
