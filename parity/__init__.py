"""Comparison with the reference implementation, stage by stage, from a folder of goldens (`make parity`)."""
