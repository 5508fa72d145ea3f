"""`python -m services.cli`, the same as `scrip`."""

from services.cli.main import main

main()
