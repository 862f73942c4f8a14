#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# rtpproxy's own command line over rtprelay: a daemon as a package starts it, killed and stopped.
#
#	controller --UDP--> control (of the front)     caller ---ext--- relay ---int--- callee
#
# Story: the front is started as a daemon that bridges, as another user. Its parent ends when
# commands are answered; the pid file is its own. Calls play. The same command line once more is
# refused. The dataplane, control and at last the front itself are killed: the call that talks
# goes on talking, also when the front is started again. SIGHUP takes no new calls and ends with
# the last one. A stop before the start is over fails the start and leaves the call.
# In the foreground SIGTERM ends it with status 0, and the call is gone; a second
# SIGTERM ends it at once; a pid file that is a device stays.
# Not covered: interfaces that the kernel keeps (front_shared_test), options (tests/golden).
. "$(dirname "$0")/_init.sh"

lab_up --network-only
# Machines are shared: nothing here is about a dataplane that is late.
sed -i 's/^  store_mb = .*/&\n  ack_timeout_ms = 10000;/' "$LAB_CONF"
grep -q ack_timeout_ms "$LAB_CONF"
export TOP RTPRELAY_CONF=$LAB_CONF RTPRELAY_BIN=$BUILD
story "$SCRATCH" <<'PYTHON'
import contextlib
import pwd
import re
import signal
import socket
import stat
import sys

from story import *

SCRATCH = sys.argv[1]
FRONT = os.path.join(os.environ["TOP"], "tools", "rtpproxy")
PID_FILE = f"{SCRATCH}/rtpproxy.pid"
RUN = f"{LAB['LAB_DIR']}/run"
IN_RELAY = ["ip", "netns", "exec", LAB["LAB_NS_RELAY"]]
SOCKET = f"udp:{LAB['LAB_CONTROL4']}:22222"
LINE = ["-u", "nobody:nogroup", "-s", SOCKET, "-p", PID_FILE, "-l", "198.18.0.16/198.19.0.16",
        "--bridge_symmetric", "-L", "5000", "--nice", "-5", "-c", "rr"]
LAB["LAB_CONF"] = f"{RUN}.front/rtpproxy.conf"
ctl = controller(retries=20)


def front(*words):
    return subprocess.run([*IN_RELAY, FRONT, *words], capture_output=True, text=True, timeout=60)


def daemon():
    done = front(*LINE)
    check(done.returncode == 0, f"the daemon did not start: {done.stderr}")
    check("learning is safe" in done.stderr, f"not said: {done.stderr}")
    return number(PID_FILE)


def text(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def number(path):
    return int(text(path))


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def dataplane():
    status = rrctl("status")["dataplane"]
    return status["pid"] if status["state"] == "running" else None


def supervisor():
    return number(f"{RUN}/rtprelayd.pid")


def counter(name):
    return ctl.command(f"G {name}")


def sessions():
    return ctl.command("I").splitlines()[1]


def reach(talk):
    """Both ways, though the relay may have to ask for its next hops again."""
    call = talk.call
    wait_until(lambda: dataplane() is not None, "the dataplane runs")
    talk.forth.reach(call.caller.at_relay(), call.callee.rtp)
    talk.caller_to_callee()
    talk.back.reach(call.callee.at_relay(), call.caller.rtp)
    talk.callee_to_caller()


def killed(pid, again):
    """Kills it; returns the one that took its place."""
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not alive(pid), f"{pid} is dead")

    def successor():
        try:
            return again() not in (None, pid)
        except (OSError, ValueError):
            return False
    wait_until(successor, f"{pid} is started again")
    return again()


def has_what_was_asked(pid):
    dp = dataplane()
    check(os.readlink(f"/proc/{pid}/cwd") == "/", "it stays in a folder")
    check(os.sched_getscheduler(dp) == os.SCHED_RR, "-c rr")
    for process in (pid, dp, supervisor()):
        check(os.getpriority(os.PRIO_PROCESS, process) == -5, "--nice")
        with open(f"/proc/{process}/limits", encoding="ascii") as limits:
            check(re.search(r"Max open files +5000 +5000 ", limits.read()), "-L")
    for process in (dp, supervisor()):
        flags = re.search(r"flags:\s+([0-7]+)", text(f"/proc/{process}/fdinfo/2"))[1]
        check(int(flags, 8) & os.O_NONBLOCK, "it waits until the front reads what it logs")
    check(os.stat(f"/proc/{supervisor()}").st_uid == pwd.getpwnam("nobody").pw_uid, "-u")


def is_refused_twice(pid):
    done = front(*LINE)
    check(done.returncode == 1 and f"pid {pid}," in done.stderr, f"a second one: {done}")


def survives_deaths(talk):
    dp, sv = dataplane(), supervisor()
    killed(dp, dataplane)
    reach(talk)
    killed(sv, supervisor)
    check(sessions() == "active sessions: 1", "the call is lost with control")
    reach(talk)


def orphans():
    """Both programs as a front leaves them that is killed before they hear of it."""
    left = [subprocess.Popen([*IN_RELAY, f"{BUILD}/{name}", "-c", LAB["LAB_CONF"]],
                             stderr=subprocess.DEVNULL) for name in ("rtprelay-dp", "rtprelayd")]
    wait_until(lambda: dataplane() == left[0].pid, "the dataplane runs")
    wait_until(lambda: holds(f"{RUN}/rtprelayd.pid", left[1].pid), "control runs")
    return left


def kill_front(pid):
    dp, sv = dataplane(), supervisor()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not alive(dp) and not alive(sv), "both programs end with the front")


def survives_the_front(talk, pid):
    kill_front(pid)
    left = orphans()
    pid = daemon()
    for process in left:
        check(process.wait(20) == 0, f"an orphan ended with {process.returncode}")
    check(sessions() == "active sessions: 1", "the call is lost with the front")
    reach(talk)
    return pid


def takes_no_new_calls():
    reply = ctl.command("U new 198.18.0.1 4000 f")
    if reply != "E99":
        ctl.command("D new f")
    return reply == "E99"


def programs_that_seem_not_to_run():
    """A folder of them for RTPRELAY_BIN, with which no front is ever ready."""
    folder = f"{SCRATCH}/bin"
    os.mkdir(folder)
    for name in ("rtprelay-dp", "rtprelayd"):
        os.symlink(f"{BUILD}/{name}", f"{folder}/{name}")
    with open(f"{folder}/rrctl", "w", encoding="ascii") as file:
        file.write(f'#!/bin/sh\ncase "$*" in *status*) exit 1 ;; esac\nexec {BUILD}/rrctl "$@"\n')
    os.chmod(f"{folder}/rrctl", 0o755)
    return folder


def survives_starts_that_end(talk, pid):
    """The parent is told of a stop before the start was over; and its own end is one of that."""
    kill_front(pid)
    environ = {**os.environ, "RTPRELAY_BIN": programs_that_seem_not_to_run()}
    for end_parent in (False, True):
        parent = subprocess.Popen([*IN_RELAY, FRONT, *LINE], env=environ, text=True,
                                  stderr=subprocess.PIPE)
        check(sessions() == "active sessions: 1", "control does not answer")
        front_pid = number(f"{RUN}.front/rtpproxy.lock")
        os.kill(parent.pid if end_parent else front_pid, signal.SIGTERM)
        said = parent.communicate(timeout=20)[1]
        wait_until(lambda: not alive(front_pid), "the front ends")
        check(parent.returncode == (-signal.SIGTERM if end_parent else 1), parent.returncode)
        check("stopped by signal 15 before commands were answered" in said, f"not said: {said}")
        check(not holds(PID_FILE, front_pid), "it has a pid file")
    pid = daemon()
    check(sessions() == "active sessions: 1", "the call is lost with a start")
    reach(talk)
    return pid


def ends_with_the_last_call(call, pid):
    os.kill(pid, signal.SIGHUP)
    wait_until(takes_no_new_calls, "no new calls")
    check(alive(pid), "it ended before its last call")
    call.tear_down()
    wait_until(lambda: not alive(pid), "it ends with its last call")
    check(not os.path.exists(PID_FILE), "the pid file is left")


def foreground_words(pid_file):
    return [*IN_RELAY, FRONT, "-f", "-F", "-s", SOCKET, "-p", pid_file, "-l", "198.18.0.16",
            "-d", "ERR"]


def foreground(pid_file):
    process = subprocess.Popen(foreground_words(pid_file))
    wait_until(lambda: holds(pid_file, process.pid), "it serves")
    return process


def holds(path, pid):
    with contextlib.suppress(OSError, ValueError):
        return number(path) == pid
    return False


def stop_deletes_the_calls():
    for _ in range(2):
        process = foreground(PID_FILE)
        check(counter("nsess_created") == "0", "counters of an earlier life")
        check(sessions() == "active sessions: 0", "a call of an earlier life")
        ctl.command("U gone 198.18.0.1 4000 f")
        check(sessions() == "active sessions: 1", "no call")
        process.terminate()
        check(process.wait(20) == 0, f"SIGTERM: status {process.returncode}")
        check(not os.path.exists(PID_FILE), "the pid file is left")


def drain_by_the_operator_ends_it():
    process = foreground(PID_FILE)
    rrctl("drain")
    check(process.wait(20) == 0, f"rrctl drain: status {process.returncode}")
    check(not os.path.exists(PID_FILE), "the pid file is left")


def device_stays():
    """A pid file that is none: only the log says that it serves."""
    device = f"{SCRATCH}/null"
    os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    process = subprocess.Popen([*foreground_words(device), "-d", "INFO"], stderr=subprocess.PIPE,
                               text=True)
    while "front: serving" not in process.stderr.readline():
        check(process.poll() is None, "it has ended")
    process.terminate()
    process.communicate(timeout=20)
    check(process.returncode == 0, f"SIGTERM: status {process.returncode}")
    check(stat.S_ISCHR(os.stat(device).st_mode), "the device is gone")


def standard_input_ends_it():
    done = subprocess.run([*IN_RELAY, FRONT, "-f", "-F", "-s", "stdio:", "-p", PID_FILE, "-l",
                           "198.18.0.16", "-d", "ERR"], input="V\nU a 198.18.0.1 4000 f\nX\n",
                          capture_output=True, text=True, timeout=60)
    lines = done.stdout.splitlines()
    check(done.returncode == 0, f"the end of standard input: {done}")
    check(len(lines) == 3 and lines[0] == "20040107" and lines[2] == "0", f"stdio: {lines}")


def sockets_of_systemd():
    """One is passed as descriptor 3, and systemd hears when all is ready."""
    path, ready = f"{SCRATCH}/passed.sock", socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    ready.bind(f"{SCRATCH}/notify.sock")
    ready.settimeout(20)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        words = [FRONT, "-f", "-F", "-s", "systemd:", "-p", PID_FILE, "-l", "198.18.0.16", "-d",
                 "ERR"]
        process = subprocess.Popen(
            [*IN_RELAY, "sh", "-c", 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$@" 3<&0 <&-', "sh", *words],
            stdin=listener, env={**os.environ, "NOTIFY_SOCKET": ready.getsockname()})
    check(ready.recv(100) == b"READY=1", "not what systemd waits for")
    check(holds(PID_FILE, process.pid), "ready before the pid file is there")
    check(Controller(f"cunix:{path}", timeout=20).command("V") == "20040107", "systemd:")
    process.terminate()
    check(process.wait(20) == 0, f"SIGTERM: status {process.returncode}")
    ready.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        check(False, f"systemd hears more: {ready.recv(100)}")
    ready.close()


def second_signal_ends_at_once():
    process = foreground(PID_FILE)
    wait_until(lambda: os.path.exists(PID_FILE), "the pid file is there")
    stuck = supervisor()
    os.kill(stuck, signal.SIGSTOP)
    process.send_signal(signal.SIGUSR1)
    wait_until(lambda: dataplane() is None, "the dataplane has stopped")
    check(process.poll() is None, "it did not wait for control")
    process.terminate()
    check(process.wait(20) == 128 + signal.SIGTERM, f"status {process.returncode}")
    wait_until(lambda: not alive(stuck), "control ends with it")
    check(not os.path.exists(PID_FILE), "the pid file is left")


pid = daemon()
check(alive(pid), "the pid file names nobody")
subprocess.run([f"{os.environ['TOP']}/tools/callplay", "--lab", os.environ["LAB_NAME"],
                "--seconds", "1"], check=True)
has_what_was_asked(pid)
is_refused_twice(pid)
call = call_up(ctl)
talk = Talk(call)
reach(talk)
survives_deaths(talk)
pid = survives_the_front(talk, pid)
pid = survives_starts_that_end(talk, pid)
ends_with_the_last_call(call, pid)
call.close()
stop_deletes_the_calls()
drain_by_the_operator_ends_it()
device_stays()
standard_input_ends_it()
sockets_of_systemd()
second_signal_ends_at_once()
PYTHON
lab down
