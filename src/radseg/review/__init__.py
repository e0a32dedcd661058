"""The page that reviews a run: one file that opens from the disk, and the list of decisions it gives back."""
