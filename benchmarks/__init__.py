"""Repeatable measurements of time and memory, each a ratio against a plain form in the same run."""
