"""`python -m radseg.cli`: the `radseg` command where scripts are not on the path."""

from radseg.cli import main

main()
