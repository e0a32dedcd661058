"""Published methods, one file each: frozen dataclasses that map images to language-aligned features."""
