"""The frame of a part: its arguments, a directory, a tally, and the end of all that it started."""

import argparse
import os
import shutil
import signal
import sys
import tempfile

from tally import Tally


def run_part(walk, *, flags=(), options=()):
    """Calls `walk(arguments, directory, tally, children)`; what it puts into `children` is stopped, the last one first.
    `flags` and `options` are arguments beside `--bin` and `--keep`. Never returns: the exit status says how it went."""
    name = os.path.basename(os.path.dirname(os.path.abspath(sys.argv[0])))
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True, help="the partner-api binary")
    parser.add_argument("--keep", action="store_true", help="keep the directory with the logs")
    for flag in flags:
        parser.add_argument(flag, action="store_true")
    for option in options:
        parser.add_argument(option)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    directory, tally, children = tempfile.mkdtemp(prefix=f"{name}-"), Tally(), []
    os.chmod(directory, 0o711)  # as root, Postgres runs as another user, who must get through
    try:
        walk(arguments, directory, tally, children)
    except Exception as error:  # something did not start
        tally.fail("all", "starting", f"{type(error).__name__}: {error}")
    finally:
        for child in reversed(children):
            child.stop()
        if arguments.keep:
            print(f"kept: {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)
    print(tally)
    sys.exit(1 if tally.failed else 0)
