"""`python -m hubel` is the same program as `hubel`."""

from hubel.cli import main

if __name__ == "__main__":
    main()
