"""`python -m services.executor`. Kept light: every tool worker imports this module once more."""

if __name__ == "__main__":
    from services.executor.main import main

    main()
