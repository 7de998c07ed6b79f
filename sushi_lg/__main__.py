"""``python -m sushi_lg`` is ``sushi-lg``."""

from sushi_lg.cli.app import main

if __name__ == "__main__":
    main()
