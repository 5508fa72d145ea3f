"""`python -m services.analytics` runs the service."""

from services.analytics.main import main

main()
