"""Java programs by Maven: fetched once into a cache of the user, outside the checkout, and run from there."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from ops.brokers.processes import ServerFailedError

JAVA_NEEDED = 17

Goal = Literal["copy-dependencies", "unpack-dependencies"]


def cache_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Where fetched programs stay between runs: `$XDG_CACHE_HOME/panelstream`, else `~/.cache/panelstream`."""
    env = os.environ if environment is None else environment
    base = env.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "panelstream"


def find_java() -> str | None:
    """A Java of 17 or later: that of `JAVA_HOME`, else the one on the path; None when there is none that new."""
    home = os.environ.get("JAVA_HOME")
    candidates = [str(Path(home) / "bin" / "java")] if home else []
    on_path = shutil.which("java")
    candidates += [on_path] if on_path else []
    for java in candidates:
        try:
            answer = subprocess.run([java, "-version"], capture_output=True, check=False, text=True)  # noqa: S603
        except OSError:
            continue
        version = re.search(r'version "(\d+)', answer.stderr + answer.stdout)
        if version and int(version[1]) >= JAVA_NEEDED:
            return java
    return None


def can_fetch(folder: str) -> bool:
    """Whether `fetch` of that folder can succeed: it is in the cache already, or Maven is there."""
    return (cache_folder() / folder).is_dir() or shutil.which("mvn") is not None


def fetch(folder: str, pom: Path, version: str, goal: Goal) -> Path:
    """The folder with what `pom` depends on, `version` filled in; from the cache when it was fetched before.

    Two processes may ask at once: one fetches, the other waits for it. A folder in the cache is always whole, since it
    is filled under another name. Raises `ServerFailedError` with the end of Maven's words.
    """
    ready = cache_folder() / folder
    if ready.is_dir():
        return ready
    ready.parent.mkdir(parents=True, exist_ok=True)
    with ready.with_name(f"{ready.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.is_dir():
            with tempfile.TemporaryDirectory(prefix=f"{ready.name}.", dir=ready.parent) as work:
                # A copy of it, since Maven leaves its notes beside the file and then believes that all is done.
                _maven(Path(shutil.copy(pom, work)), version, goal, Path(work) / "out")
                (Path(work) / "out").rename(ready)
    return ready


def _maven(pom: Path, version: str, goal: Goal, target: Path) -> None:
    mvn = shutil.which("mvn") or "mvn"
    command = [
        mvn,
        "--batch-mode",
        "--quiet",
        f"--file={pom}",
        f"org.apache.maven.plugins:maven-dependency-plugin:3.8.1:{goal}",
        f"-Dwanted.version={version}",
        "-DincludeScope=runtime",
        f"-DoutputDirectory={target}",
    ]
    answer = subprocess.run(  # noqa: S603
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, text=True
    )
    if answer.returncode != 0 or not target.is_dir():
        raise ServerFailedError(
            f"Maven could not fetch what {pom.name} names; check the network and the settings of Maven:\n"
            + answer.stdout[-2000:]
        )
