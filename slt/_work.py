"""Long work: how many cores and how much memory there are, when to show progress and how (floor 0)."""

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

QUIET = 2.0  # seconds of silence: what ends before then needs no bar


def workers() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def free_memory() -> int | None:
    """Bytes that could be taken without swapping; `None` where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")), None)


def tile(size: int, most: int) -> int:
    """A width of at most `most` that divides `size`; `most` where all are far smaller, or where one tile is enough.

    A remainder would be traced and compiled a second time.

    >>> tile(300, 64), tile(57_600, 4096), tile(101, 64)
    (60, 3840, 64)
    """
    least = -(-size // most)
    return next((size // k for k in range(least, 2 * least + 1) if size % k == 0), most) if least > 1 else most


def check_fits(wanted: int, what: str, instead: str) -> None:
    """Raise `MemoryError` with both numbers before the system ends the process, which it would do without a word."""
    there = free_memory()
    if there is not None and wanted > there:
        raise MemoryError(f"{what} takes {wanted / 1e9:.3g} GB, and {there / 1e9:.3g} GB are free. {instead}")


def show_progress() -> bool:
    """A bar in a terminal and in a notebook; none in a built page or where the output is piped."""
    if os.environ.get("SLT_BOOK", "0") not in ("", "0"):
        return False
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return sys.stderr.isatty() or type(shell).__name__ == "ZMQInteractiveShell"


def say(line: str) -> None:
    """One line on standard error, where progress is shown."""
    if show_progress():
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


@contextmanager
def on_devices(function: Callable[[Any, Any], Any], items: Sequence[Any], devices: Sequence[Any]) -> Iterator[Any]:
    """Pairs of an item and a call for `function(item, device)`; several devices work side by side, a thread for each.

    On leaving, also by an interrupt, what has not begun is dropped and what runs is waited for.
    """
    if min(len(items), len(devices)) < 2:
        yield [(item, partial(function, item, devices[0])) for item in items]
        return
    idle: SimpleQueue[Any] = SimpleQueue()
    for device in devices:
        idle.put(device)

    def run(item: Any) -> Any:
        device = idle.get()
        try:
            return function(item, device)
        finally:
            idle.put(device)

    pool = ThreadPoolExecutor(min(len(items), len(devices)))
    try:
        yield [(item, pool.submit(run, item).result) for item in items]
    finally:
        pool.shutdown(cancel_futures=True)


def progress(items: Iterable[Any], total: int, what: str) -> Iterator[Any]:
    """The items, with a line on standard error that says how far they have come and how long the rest will take."""
    shown, start, last = show_progress(), time.monotonic(), 0.0
    for done, item in enumerate(items):
        elapsed = time.monotonic() - start
        if shown and done and elapsed > QUIET and elapsed - last > 0.2:
            last = elapsed
            left = elapsed / done * (total - done)
            sys.stderr.write(f"\r{what}: {done} of {total} ({100 * done // total} %), {left:.0f} s left ")
            sys.stderr.flush()
        yield item
    if shown and last:
        sys.stderr.write(f"\r{what}: {total} of {total} in {time.monotonic() - start:.0f} s{' ' * 20}\n")
        sys.stderr.flush()
