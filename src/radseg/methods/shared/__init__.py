"""What several methods use; no method of its own lives here."""
