"""`python -m passerby` is `passerby`."""

from passerby.cli.main import main

if __name__ == "__main__":
    main()
