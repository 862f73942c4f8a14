#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Two rtpproxies on one interface that the kernel keeps, and no configuration but their options.
#
#	two parties ---external--- ext: kernel (SIP) + front with .16 + front with .17
#
# Story: as a package starts it, with a UNIX socket and no address, the front takes the interface
# of the default route, and replies name no address. Then two of them stand side by side, each with
# an address and ports of its own, and a call each. Their commands come over the same interface,
# and somebody there still answers on 5060. One dataplane is killed: both calls go on. One front
# is stopped: the other's call goes on, and the kernel has the first one's ports back.
# Not covered: the shared port itself (shared_test), daemons and signals (front_test).
. "$(dirname "$0")/_init.sh"

lab_up --mode shared --network-only
ip -n "$LAB_NS_RELAY" route add default via 198.18.0.1
export TOP RTPRELAY_BIN=$BUILD
story "$SCRATCH" <<'PYTHON'
import shutil
import signal
import socket
import sys
import threading

from rtpp import Netns
from story import *

SCRATCH = sys.argv[1]
FRONT = os.path.join(os.environ["TOP"], "tools", "rtpproxy")
NAME = os.environ["LAB_NAME"]


class Instance:
    """Commands come from a party, on the interface that media uses."""

    def __init__(self, number, *words, command="udp:198.18.0.16:"):
        port = 22222 + number
        self.control = command if command.startswith("unix") else f"{command}{port}"
        self.pid_file = f"{SCRATCH}/{number}.pid"
        self.environ = {**os.environ, "RTPRELAY_NAME": f"{NAME}-{number}"}
        self.conf = f"/run/rtprelay/{NAME}-{number}/rtpproxy.conf"
        self.line = ["-F", "-s", self.control, "-p", self.pid_file, "-d", "ERR", *words]
        netns = None if command.startswith("unix") else LAB["LAB_NS_CALLER"]
        self.ctl = Controller(self.control, netns, retries=20)

    def __enter__(self):
        done = subprocess.run(["ip", "netns", "exec", LAB["LAB_NS_RELAY"], FRONT, *self.line],
                              capture_output=True, text=True, timeout=60, env=self.environ)
        check(done.returncode == 0, f"it does not start: {done.stderr}")
        check("learning is compat" in done.stderr, f"it does not say how it learns: {done.stderr}")
        return self

    def __exit__(self, *_exc):
        self.stop()
        shutil.rmtree(os.path.dirname(self.conf))

    def stop(self):
        if os.path.exists(self.pid_file):
            with open(self.pid_file, encoding="ascii") as file:
                os.kill(int(file.read()), signal.SIGTERM)
        wait_until(lambda: not os.path.exists(self.pid_file), "it ends")

    def call(self):
        self.select()
        call = Call(0, self.ctl, caller(0), caller(1), "front")
        call.set_up()
        self.talk = Talk(call)
        self.reach()
        return call

    def select(self):
        """rrctl looks at this one."""
        LAB["LAB_CONF"] = self.conf

    def reach(self):
        self.select()
        wait_until(lambda: rrctl("status")["dataplane"]["state"] == "running", "it runs")
        call = self.talk.call
        self.talk.forth.reach(call.caller.at_relay(), call.callee.rtp)
        self.talk.back.reach(call.callee.at_relay(), call.caller.rtp)
        self.go_on()

    def go_on(self):
        self.talk.caller_to_callee()
        self.talk.callee_to_caller()

    def kill_dataplane(self):
        self.select()
        pid = rrctl("status")["dataplane"]["pid"]
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: rrctl("status")["dataplane"]["pid"] not in (None, pid), "it is back")


def bound(netns, host, port):
    with Netns(netns):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((host, port))
        sock.settimeout(5.0)
        return sock


def echo(sock):
    while True:
        try:
            data, source = sock.recvfrom(2048)
        except socket.timeout:
            continue
        sock.sendto(data, source)


def sip_still_answers():
    with bound(LAB["LAB_NS_CALLER"], "198.18.0.3", 5060) as phone:
        phone.sendto(b"OPTIONS", ("198.18.0.16", 5060))
        check(phone.recv(100) == b"OPTIONS", "5060 is silent")


def kernel_has(port):
    with bound(LAB["LAB_NS_RELAY"], "198.18.0.16", port) as here, \
            bound(LAB["LAB_NS_CALLER"], "198.18.0.3", 5061) as there:
        there.sendto(b"x", ("198.18.0.16", port))
        check(here.recv(100) == b"x", "the kernel does not have the port back")


def without_address():
    with Instance(0, command=f"unix:{SCRATCH}/rtpproxy.sock") as one:
        reply = one.ctl.command("U a 198.18.0.1 4000 f")
        check(reply.isdigit(), f"the wildcard's reply is {reply}")


def side_by_side():
    with Instance(1, "-l", "198.18.0.16", "-m", "20000", "-M", "20998") as one:
        with Instance(2, "-l", "198.18.0.17", "-m", "21000", "-M", "21998") as two:
            one_call, two_call = one.call(), two.call()
            sip_still_answers()
            one.kill_dataplane()
            two.go_on()
            one.reach()
            sip_still_answers()
            port = one_call.callee.relay[1]
            one.stop()
            two.go_on()
            kernel_has(port)
            one_call.close()
            two_call.close()


threading.Thread(target=echo, args=[bound(LAB["LAB_NS_RELAY"], "198.18.0.16", 5060)],
                 daemon=True).start()
without_address()
side_by_side()
PYTHON
lab down
