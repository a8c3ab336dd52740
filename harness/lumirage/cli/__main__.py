"""`python -m lumirage.cli` is `lumirage-harness`."""

from lumirage.cli import main

main()
