"""`python -m configmaptocrs`."""

from configmaptocrs.cli import main

main()
