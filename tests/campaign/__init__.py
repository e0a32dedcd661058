"""Seeded attacks on what comes from others: `python -m campaign`."""
