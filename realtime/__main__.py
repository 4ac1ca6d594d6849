"""The command swapcam, and python -m realtime: both begin here."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C ends it with 130 and without a traceback, also while it is still being loaded."""
    try:
        from realtime.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
