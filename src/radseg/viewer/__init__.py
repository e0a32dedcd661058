"""An interactive page of a map, on this machine only (extra `view`)."""
