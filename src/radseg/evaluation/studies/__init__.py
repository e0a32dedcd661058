"""Ablations, figures, speed and alignment: several evaluations put together."""
