#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The configuration is read anew while calls play.
#
#	caller ---ext--- relay (rrctl config reload; kill -9) ---int--- callee
#
# Story: control's worker is of a user without rights, who can read no file of root's. Calls talk.
# A file that is wrong, and one that changes more than pools, change nothing. One that names an
# address more and another one less adds the one and drains the other, and no packet is lost.
# Control's worker is killed with -9 right after, and stands by the new file; with the last call the
# drained address is gone, also after another such death. The file as it was brings back what was
# there.
. "$(dirname "$0")/_init.sh"

lab_up --network-only
sed -i 's/^instance = {/& user = "nobody"; group = "nogroup";/' "$LAB_CONF"
chmod 600 "$LAB_CONF"
rmdir "$LAB_DIR/run" "$LAB_DIR/store" # who makes them gives them to that user
lab start dataplane
lab start control
lab_refresh
story <<'PYTHON'
import os
import pwd
import re
import signal
import subprocess

from story import *

NEW = "198.18.0.77"
NOBODY = pwd.getpwnam("nobody").pw_uid
ctl = controller()
calls = Calls(ctl)


def states():
    rows = rrctl("address", "list")["addresses"]
    return {r["address"]: (r["state"], r["in_file"]) for r in rows}


def write_file(text):
    with open(LAB["LAB_CONF"], "w", encoding="ascii") as f:
        f.write(text)


def refused(text):
    before = states()
    write_file(text)
    said = subprocess.run([f"{BUILD}/rrctl", "-c", LAB["LAB_CONF"], "config", "reload"],
                          capture_output=True, check=False, text=True)
    write_file(was)
    check(said.returncode == 1, f"not refused: {said}")
    check(states() == before, "a refused file changed something")
    return said.stderr


def worker():
    with open(os.path.join(rrctl("config", "show")["instance"]["run_dir"],
                           "rtprelayd-worker.pid"), encoding="ascii") as f:
        return int(f.read())


def is_nobodys(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return re.search(r"^Uid:((?:\t\d+)+)$", f.read(), re.M)[1].split() == [str(NOBODY)] * 4


def worker_dies():
    pid = worker()
    check(is_nobodys(pid), "the worker has rights")
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: worker() != pid, "another worker")
    calls.all_talk()


with open(LAB["LAB_CONF"], encoding="ascii") as f:
    was = f.read()
old = [calls.new() for _ in range(3)]
calls.all_talk()
first = states()
drained = at(old[0])
pool = [a for a in first if a.startswith("198.18.0.") and a != drained] + [NEW]
changed = re.sub(r"pool = \[[^]]*\]", "pool = [ " + ", ".join(f'"{a}"' for a in pool) + " ]", was,
                 count=1)

wrong = refused(changed.replace(f'"{NEW}"', '"198.19.0.77"'))
check(re.search(r"\.conf:\d+: realms\[0\]\.ipv4\.pool", wrong), f"place of the error: {wrong}")
other = refused(re.sub(r"media = \{", "media = { hop_limit = 9;", changed, count=1))
check("media.hop_limit needs a restart of rtprelayd" in other, f"name of the option: {other}")
calls.all_talk()

write_file(changed)
check(rrctl("config", "reload") == {"added": [NEW], "activated": [], "drained": [drained]},
      "what the reload says")
worker_dies()
check(states()[NEW] == ("active", True), f"added: {states()}")
check(states()[drained] == ("draining", False), f"drained: {states()}")
while at(calls.new()) != NEW:
    check(len(calls) < 60, f"no call of {len(calls)} is on {NEW}")
check(all(at(call) != drained for call in calls if call not in old), "a new call on what drains")
calls.all_talk()
for call in [call for call in calls if at(call) == drained]:
    calls.pop(call)
    call.tear_down()
wait_until(lambda: drained not in states(), "it is gone")
worker_dies()
check(drained not in states(), "the file that was is back")

write_file(was)
check(rrctl("config", "reload") == {"added": [drained], "activated": [], "drained": [NEW]},
      "the way back")
check(states()[NEW] == ("draining", False), f"drained: {states()}")
write_file(changed)
check(rrctl("config", "reload") == {"added": [], "activated": [NEW], "drained": [drained]},
      "and forth")
write_file(was)
rrctl("config", "reload")
calls.all_talk()
for call in calls:
    call.tear_down()
wait_until(lambda: states() == first, "all as at the start")
PYTHON
lab_down
