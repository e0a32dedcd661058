"""From prompts to embeddings: vocabulary, templates, the tower interface, cache, packs. No network here."""
