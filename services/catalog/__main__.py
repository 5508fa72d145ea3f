"""`python -m services.catalog` runs the catalog."""

from services.catalog.main import main

main()
