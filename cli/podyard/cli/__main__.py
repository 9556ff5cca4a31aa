"""`python -m podyard.cli`: the same as the `podyard` command."""

import sys

from podyard.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
