"""The closing test of the PostgreSQL store, for as long as one likes.

    postgres_torture.py EVENTS KILLS [SEED]        `make torture-postgresql EVENTS=n KILLS=n` calls it

Two gateways and three workers, a primary and a synchronous standby; one after the other is killed while
events come in, and at the end the model of e2e/lanes.py is asked whether a promise was broken.
"""

import os
import random
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

from scratch import Scratch  # noqa: E402
from storm import Storm  # noqa: E402


def main():
    events, kills = int(sys.argv[1]), int(sys.argv[2])
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(1 << 32)
    scratch = Scratch(ROOT / os.environ.get("BXHOOK", "bxhook"))
    print(f"{events:,} events and {kills} kills, seed {seed}, in {scratch.path}", flush=True)
    began = time.monotonic()
    storm = Storm(scratch, seed)
    try:
        storm.run(events, kills)
    except BaseException:
        print(f"stopped, seed {seed}; its directory stays: {scratch.path}")
        raise
    finally:
        for name in sorted(storm.counts):
            print(f"{storm.counts[name]:9} {name}")
    print(f"{len(storm.cluster.accepted):9} events answered 200")
    storm.stop()
    scratch.remove()
    print(f"no promise was broken, in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
