"""The incidents, one after the other. Started by ./run."""

import argparse
import os
import shutil
import signal
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, ".."), os.path.join(HERE, "..", "events"), os.path.join(HERE, "..", "lib")]

import dead_queue  # noqa: E402
import guide  # noqa: E402
import leaked_key  # noqa: E402
import master_key  # noqa: E402
import rogue_partner  # noqa: E402
import stolen_key  # noqa: E402
from lib.tally import Tally  # noqa: E402
from postgres import binaries  # noqa: E402
from scene import Scene  # noqa: E402

# Each has a scene of its own.
INCIDENTS = {"leaked": leaked_key, "stolen": stolen_key, "rogue": rogue_partner, "queue": dead_queue,
             "master": master_key, "guide": guide}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True, help="the partner-api binary")
    parser.add_argument("--full", action="store_true", help="more rounds, for figures")
    parser.add_argument("--keep", action="store_true", help="keep the directory with the logs")
    parser.add_argument("incidents", nargs="*", help="of " + ", ".join(INCIDENTS))
    arguments = parser.parse_args()
    if unknown := set(arguments.incidents) - set(INCIDENTS):
        parser.error(f"no such incident: {', '.join(sorted(unknown))}")

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    tally = Tally()
    directory = tempfile.mkdtemp(prefix="incidents-")
    os.chmod(directory, 0o711)  # as root Postgres runs as another user, who must get through
    try:
        for name in arguments.incidents or INCIDENTS:
            if not binaries():
                tally.skip(name, "all", "Postgres's binaries are not on this machine")
                continue
            os.mkdir(os.path.join(directory, name), 0o711)
            play(name, arguments, os.path.join(directory, name), tally)
    finally:
        if arguments.keep:
            print("kept", directory)
        else:
            shutil.rmtree(directory, ignore_errors=True)
        print(tally)
    return 1 if tally.failed else 0


def play(name, arguments, directory, tally):
    incident, scene = INCIDENTS[name], None
    try:
        scene = Scene(arguments.bin, directory, **incident.SETTINGS)
        incident.walk(scene, tally, arguments.full)
    except Exception as error:  # something did not start
        tally.fail(name, "starting", f"{type(error).__name__}: {error}")
    finally:
        if scene:
            scene.close()


if __name__ == "__main__":
    sys.exit(main())
