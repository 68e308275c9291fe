"""Make all images, bases included: ``python -m tests.images``."""

import sys
import time

from tests.images import catalogue


def main() -> int:
    """Make what is missing, and say where everything is."""
    for image in (catalogue.pause, catalogue.sidecar, catalogue.readers):
        started = time.monotonic()
        archive = image()
        seconds = time.monotonic() - started
        sys.stdout.write(f"{archive}: {archive.stat().st_size / 2**20:.0f} MiB, in {seconds:.0f} s\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
