# SPDX-License-Identifier: BSD-2-Clause
"""Where an instance lives, and the programs and the base configuration that it is made of."""

import json
import os
import re
import shutil
import subprocess
import zlib

from front.refusal import Refusal

RUN_ROOT = "/run/rtprelay"
NAME_MAX = 48  # what is longer ends in a checksum


def instance_name(sockets, pid_file):
    """Of the first command socket, which no two instances share; of the pid file without one."""
    named = [s for s in sockets if not re.match(r"(stdioc?|systemd):", s)]
    text = named[0] if named else f"pid:{pid_file}"
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-")
    if len(name) > NAME_MAX:
        name = f"{name[:NAME_MAX - 9]}-{zlib.crc32(os.fsencode(text)):08x}"
    return name


def folder(environ, sockets, pid_file):
    name = environ.get("RTPRELAY_NAME") or instance_name(sockets, pid_file)
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,48}", name) or name in (".", ".."):
        raise Refusal(f"RTPRELAY_NAME {name}: expected up to 48 of letters, digits, . - _")
    return f"{RUN_ROOT}/{name}"


class Programs:
    """rtprelay-dp, rtprelayd and rrctl: in RTPRELAY_BIN, beside the front, in the tree or PATH."""

    def __init__(self, environ, front):
        here = os.path.dirname(os.path.realpath(front))
        folders = [here, os.path.join(here, "..", "build")]
        if environ.get("RTPRELAY_BIN"):
            folders = [environ["RTPRELAY_BIN"]]
        self.search = os.pathsep.join([*map(os.path.normpath, folders),
                                       environ.get("PATH", os.defpath)])

    def find(self, name):
        found = shutil.which(name, path=self.search)
        if found is None:
            raise Refusal(f"{name} is not in {self.search}: name its folder in RTPRELAY_BIN")
        return found

    def run(self, name, *words):
        """Raises OSError."""
        return subprocess.run([self.find(name), *words], capture_output=True, check=False,
                              encoding="utf-8", errors="surrogateescape")

    def read_base(self, path):
        """The configuration in effect of a file, every option in it."""
        done = self.run("rrctl", "-c", path, "config", "show", "--json")
        if done.returncode != 0:
            raise Refusal(f"RTPRELAY_CONF: {done.stderr.strip()}")
        return json.loads(done.stdout)
