"""A server that answers as a thousand boards do, one a user, and measures nothing.

    python benchmarks/pretended_boards.py FOLDER     prints its port and its host key

For `fleet.py thousand`: what a client costs that works on so many boards at once. Every job takes
five seconds and has results of its own.
"""

from __future__ import annotations

import asyncio
import json
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import asyncssh  # noqa: E402

from edgecnn.boards.runner import ANSWER  # noqa: E402
from tests.unit.store import made_up  # noqa: E402

JOB_SECS = 5.0
FACTS = {
    "free": 9e9, "problem": "", "python": [3, 11, 2], "machine": "aarch64", "missing": [],
    "executable": "/usr/bin/python3", "libc": ["glibc", "2.36"], "markers": {},
}  # fmt: skip
STATES: dict[str, str] = {}


async def answer(process: asyncssh.SSHServerProcess[str]) -> None:
    """One command of a client, as a board answers it."""
    import time

    words = shlex.split(process.command or "")
    script = await process.stdin.read()  # to its end: what came later would be out of protocol
    user = str(process.get_extra_info("username"))

    def say(found: dict[str, Any]) -> None:
        process.stdout.write("\n" + ANSWER + json.dumps(found) + "\n")

    if "shutil.disk_usage" in script:
        say({**FACTS, "home": f"/{user}", "time": time.time()})
    elif "missing.append" in script:
        say({"missing": []})
    elif script:
        say({"done": True, "wrong": []})
    elif "--status" in words:
        say({"state": STATES.get(words[-1], "absent")})
    elif "--start" in words:
        STATES[words[-1]] = "running"
        say({"started": True})
    elif "--follow" in words:
        for done in range(5):
            say({"state": "running", "progress": ["benchmark", done, 5, "model on litert:cpu"]})
            await asyncio.sleep(JOB_SECS / 5)
        write_results(words[-1], user)
        STATES[words[-1]] = "done"
        say({"state": "done", "exit": 0, "log": ""})
    elif "--fetched" in words:
        STATES[words[-1]] = "fetched"
        say({"done": True})
    process.exit(0)


def write_results(folder: str, user: str) -> None:
    """Results that no other board has."""
    place = HOME / folder.lstrip("/")
    place.mkdir(parents=True, exist_ok=True)
    number = int(user[1:])
    base = RESULTS
    (row,) = base.measurements
    runs = tuple(replace(run, load_ns=run.load_ns + number) for run in row.runs)
    replace(base, measurements=(replace(row, runs=runs),)).save(place / "results.json")


class Files(asyncssh.SFTPServer):
    """The boards' files lie below one folder."""

    def __init__(self, channel: asyncssh.SSHServerChannel[bytes]) -> None:
        super().__init__(channel, chroot=str(HOME).encode())


async def serve() -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_host_keys=[key],
        authorized_client_keys=str(FOLDER / "authorized"),
        process_factory=answer,
        sftp_factory=Files,
        backlog=1_000,
    )
    public = key.export_public_key().decode().split()[:2]
    print(server.get_port(), *public, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    FOLDER = Path(sys.argv[1])
    HOME = FOLDER / "pretended"
    HOME.mkdir()
    RESULTS = made_up.session(0, rows=1)
    asyncio.run(serve())
