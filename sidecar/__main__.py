"""``python -m sidecar``: the same command as ``membership-sidecar``."""

import sys

from sidecar.cli import main

if __name__ == "__main__":
    sys.exit(main())
