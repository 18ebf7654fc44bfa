"""`make bench`: run the benchmarks, print their table, write bench-out/results.json (interface.md section 1)."""

from __future__ import annotations

import argparse
import datetime as dt
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from ops.bench import kept, table
from ops.bench.measured import Sizes


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m ops.bench", description="Measure the service beside its peers.")
    parser.add_argument(
        "--only", action="append", default=[], choices=table.names(), help="only this benchmark; repeatable"
    )
    parser.add_argument("--members", type=int, default=100_000, metavar="N", help="members stored (default 100,000)")
    parser.add_argument("--claims", type=int, default=20_000, metavar="N", help="claims of one run (default 20,000)")
    parser.add_argument(
        "--repeats", type=int, default=5, metavar="N", help="runs of which the median counts (default 5)"
    )
    parser.add_argument("--out", type=Path, default=Path("bench-out"), metavar="DIR", help="where results go")
    parser.add_argument(
        "--keep", action="store_true", help="put the results into docs/benchmarks.md, with the date; at full size only"
    )
    asked = parser.parse_args(arguments)
    if asked.keep and any(
        getattr(asked, name) != parser.get_default(name) for name in ("members", "claims", "repeats")
    ):
        parser.error("--keep goes with the sizes that the goals are for: leave out --members, --claims and --repeats.")
    sizes = Sizes(asked.members, asked.claims, asked.repeats, asked.out / "prepared")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was started ends with us
    results = table.run(sizes, asked.only, lambda name: print(f"{name} ...", file=sys.stderr, flush=True))
    table.print_results(results)
    table.write(results, asked.out)
    if asked.keep:
        kept.keep(results, dt.datetime.now(dt.UTC).date(), table.conditions(sizes))


if __name__ == "__main__":
    main()
