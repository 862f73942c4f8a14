# SPDX-License-Identifier: BSD-2-Clause
"""What the kernel of a relay with shared ports does, as the caller sees it."""

import os
import socket
import struct
import subprocess

from rtpp import Netns
from story import *

# A flow that is not there, not whole, or has no way out until control has told of it.
UNTIL_TOLD = ("drop_neighbour", "drop_flow_none", "drop_flow_incomplete", "drop_flow_torn",
              "drop_flow_no_remote")
POOL = {f: LAB[f"LAB_EXT_POOL{f}"].split()[0] for f in ("4", "6")}
FAMILY = {"4": socket.AF_INET, "6": socket.AF_INET6}
OTHER4 = "198.18.0.40"  # on the interface and in no pool
NEW4 = "198.18.0.77"  # on it, and in a pool for a time
MISSING4 = "198.18.0.78"  # the same, but on no interface
MEDIA_PORT = 20100
SIP_PORT = 5060


def relay_sh(command):
    subprocess.run(["ip", "netns", "exec", LAB["LAB_NS_RELAY"], "sh", "-c", command], check=True)


def made_in(party, family, kind, proto=0):
    with Netns(LAB[f"LAB_NS_{party}"]):
        return socket.socket(FAMILY[family], kind, proto)


def bound_in(party, family, kind, address):
    sock = made_in(party, family, kind)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(address)
    sock.settimeout(ARRIVAL_S)
    return sock


def check_echo(family):
    """The kernel answers an echo request to a pool address."""
    proto, request, reply = {"4": (socket.IPPROTO_ICMP, 8, 0),
                             "6": (socket.IPPROTO_ICMPV6, 128, 129)}[family]
    sock = made_in("CALLER", family, socket.SOCK_RAW, proto)
    sock.settimeout(ARRIVAL_S)
    body = struct.pack("!HH", os.getpid() & 0xffff, 1) + os.urandom(8)
    head = struct.pack("!BB", request, 0)
    words = struct.unpack("!7H", head + body)
    total = sum(words)
    total = (total >> 16) + (total & 0xffff)
    checksum = ~(total + (total >> 16)) & 0xffff  # of IPv6 the kernel fills it in
    sock.sendto(head + struct.pack("!H", checksum) + body, (POOL[family], 0))
    while True:
        got = sock.recv(2048)[20 if family == "4" else 0:]
        if got[0] == reply and got[4:] == body:
            return


def check_udp(family, address, port, size=172):
    """A datagram to a socket of the kernel's, and back."""
    server = bound_in("RELAY", family, socket.SOCK_DGRAM, (address, port))
    client = made_in("CALLER", family, socket.SOCK_DGRAM)
    client.settimeout(ARRIVAL_S)
    sent = os.urandom(size)
    client.sendto(sent, (address, port))
    got, peer = server.recvfrom(65536)
    check(got == sent, f"UDP to {address} port {port} arrived altered")
    server.sendto(sent, peer)
    check(client.recv(65536) == sent, f"UDP from {address} port {port} arrived altered")


class Connection:
    """TCP between the caller and a pool address, on a port in the media range."""

    def __init__(self, family):
        server = bound_in("RELAY", family, socket.SOCK_STREAM, (POOL[family], MEDIA_PORT))
        server.listen()
        self.near = made_in("CALLER", family, socket.SOCK_STREAM)
        self.near.settimeout(ARRIVAL_S)
        self.near.connect((POOL[family], MEDIA_PORT))
        self.far = server.accept()[0]
        self.far.settimeout(ARRIVAL_S)

    def talk(self, size=100000):
        for tx, rx in ((self.near, self.far), (self.far, self.near)):
            sent, got = os.urandom(size), b""
            tx.sendall(sent)
            while len(got) < size:
                got += rx.recv(65536)
            check(got == sent, "TCP altered what it carries")


def everything_else_works(meanwhile):
    relay_sh(f"ip addr add {OTHER4}/24 dev ext")
    for family in "4", "6":
        check_echo(family)
        Connection(family).talk()
        check_udp(family, POOL[family], SIP_PORT)
        meanwhile()
    check_udp("4", OTHER4, MEDIA_PORT)


def is_refused(address):
    """Whether the kernel at `address` says that nobody listens."""
    sock = made_in("CALLER", "6" if ":" in address[0] else "4", socket.SOCK_DGRAM)
    sock.settimeout(SILENCE_S)
    sock.connect(address)
    sock.send(b"\x80" + bytes(171))
    try:
        sock.recv(2048)
    except ConnectionRefusedError:
        return True
    except TimeoutError:
        return False
    return False


def check_quiet(address, what):
    check(not is_refused(address), f"{what}: the kernel said that nobody listens")


def media_port_without_a_call_is_silent(ctl):
    before = counted(["drop_flow_none"])
    for family in "4", "6":
        check(is_refused((POOL[family], 19998)), "a port below the range is not the kernel's")
        check_quiet((POOL[family], 21998), "a media port")
    wait_until(lambda: counted(["drop_flow_none"]) == before + 2, "both were counted")


def address_comes(ctl):
    """A call on an address of the kernel's that joins the pool; another is not the kernel's."""
    before = counted(["generated"])
    relay_sh("sysctl -qw net.ipv4.icmp_ratelimit=0")  # silence is none of that limit's
    relay_sh(f"ip addr add {NEW4}/24 dev ext")
    check(is_refused((NEW4, MEDIA_PORT)), "not the kernel's before it is in the pool")
    rrctl("address", "add", "external", NEW4)
    rrctl("address", "add", "external", MISSING4)
    rrctl("address", "drain", MISSING4)
    check_quiet((NEW4, MEDIA_PORT), "a media port of an added address")
    check(is_refused((NEW4, SIP_PORT)), "a port below the range is not the kernel's")
    for number in range(2, 100):
        call = Call(number, ctl, caller(), callee(), "added")
        call.set_up()
        if call.caller.at_relay()[0] == NEW4:
            break
        call.tear_down()
    check(call.up, f"no call is on {NEW4}")
    talk = Talk(call)
    talk.forth.reach(call.caller.at_relay(), call.callee.rtp)
    talk.back.reach(call.callee.at_relay(), call.caller.rtp)
    check(counted(["generated"]) == before, "the relay announced what the kernel announces")
    return talk


def address_goes(talk):
    """With the last call its packets are the kernel's again."""
    rrctl("address", "drain", NEW4)
    talk.caller_to_callee(10)
    talk.callee_to_caller(10)
    check_quiet((NEW4, MEDIA_PORT), "a media port of an address that drains")
    talk.call.tear_down()
    wait_until(lambda: is_refused((NEW4, MEDIA_PORT)), "the address is the kernel's again")


def fragments_are_told_apart(flows):
    for family, talk in flows.items():
        check_udp(family, POOL[family], SIP_PORT, size=4000)
        call = talk.call
        large = capture.packet(talk.forth.index, talk.forth.ssrc)[:12] + bytes(1600)
        talk.forth.index += 1
        call.caller.rtp.sendto(large, call.caller.at_relay())
        got = receive_within(call.callee.rtp, ARRIVAL_S)
        check(got is not None and got[0] == large, f"IPv{family} media in fragments")
        check_udp(family, POOL[family], SIP_PORT, size=4000)


def neighbours_and_routes_are_followed(behind, near):
    """The kernel sends elsewhere, or knows no way, and then does again: so do we.

    Meanwhile the first address of the pool, from which it would be asked, is not its own.
    """
    first = LAB["LAB_INT_POOL4"].split()[0]
    callee4, far4 = LAB["LAB_CALLEE4"].split()[0], LAB["LAB_CALLER_FAR4"]
    via = LAB["LAB_CALLER4"].split()[0]
    call, distant = near.call, behind.call

    relay_sh("sysctl -qw net.ipv4.conf.int.promote_secondaries=1; "
             f"ip addr del {first}/24 dev int")
    relay_sh(f"ip neigh replace {callee4} lladdr 02:00:00:00:00:99 dev int nud permanent")
    wait_until(lambda: not arrives(near.forth, call.caller.at_relay(), call.callee.rtp),
               "the neighbour has moved")
    relay_sh(f"ip neigh del {callee4} dev int")
    wait_until(lambda: arrives(near.forth, call.caller.at_relay(), call.callee.rtp),
               "it is found again")
    relay_sh(f"ip addr add {first}/24 dev int")
    relay_sh(f"ip route del {far4}")
    wait_until(lambda: not arrives(behind.back, distant.callee.at_relay(), distant.caller.rtp),
               "there is no way")
    before = counted(["drop_neighbour"])
    behind.back.send(distant.callee.at_relay())
    wait_until(lambda: counted(["drop_neighbour"]) == before + 1, "that has its name")
    relay_sh(f"ip route add {far4} via {via}")
    behind.back.reach(distant.callee.at_relay(), distant.caller.rtp)


def rules_are_followed(near):
    call, callee6 = near.call, LAB["LAB_CALLEE6"].split()[0]

    relay_sh(f"ip -6 rule add to {callee6} unreachable")
    wait_until(lambda: not arrives(near.forth, call.caller.at_relay(), call.callee.rtp),
               "a rule forbids the way")
    relay_sh(f"ip -6 rule del to {callee6} unreachable")
    near.forth.reach(call.caller.at_relay(), call.callee.rtp)


def arrives(talker, dest, listener):
    while receive(listener):
        pass
    talker.send(dest)
    return receive_within(listener, SILENCE_S) is not None
