"""Which model: a name and its numbers (spec), what each method is made of, and how it is fetched and loaded.

`spec`, `options` and `table` load nothing heavy; `load` is the door: check → required → ensure → load.
"""
