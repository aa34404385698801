"""`python -m metalpy`."""

from metalpy.cli import main

main()
