"""What other tools read and write, one exchange format a file."""
