"""``python -m pymesoskit``: the command line, see ``pymesoskit.cli``."""

import sys

from pymesoskit.cli import main

if __name__ == "__main__":
    sys.exit(main())
