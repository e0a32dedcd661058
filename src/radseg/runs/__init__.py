"""Runs over many files: what goes in, what comes out under which name, and how a broken run continues."""
