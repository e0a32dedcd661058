"""Numbers that compare label maps with truth. No network, no files."""
