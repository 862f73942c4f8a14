# SPDX-License-Identifier: BSD-2-Clause
"""The networks of the packet tests, and calls whose frames scapy builds, both ways in and out.

    outer (port 0)  ext   untagged  198.18.0.0/24    2001:db8:0:1::/64
                    lost  VLAN 200  198.18.200.0/24  2001:db8:0:c8::/64  nobody answers there
    inner (port 1)  int   VLAN 100  198.19.0.0/24    2001:db8:0:2::/64
                    core  untagged  198.19.1.0/24    2001:db8:0:3::/64
"""

import ipaddress
import struct

from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import NoPayload, Raw

from harness import port_mac
from region import N

PORTS = ["outer", "inner"]
TOS = 184
HOP_LIMIT = 64
REMOTE4 = ipaddress.ip_network("203.0.113.0/24")  # behind the gateways
REMOTE6 = ipaddress.ip_network("2001:db8:ffff::/64")


class Realm:
    """A realm with one IPv4 and one IPv6 network, two pool addresses in each."""

    def __init__(self, name, port, vlan, number, net4, net6, resolved=True):
        self.name = name
        self.port = port
        self.vlan = vlan
        self.net4 = ipaddress.ip_network(net4)
        self.net6 = ipaddress.ip_network(net6)
        self.resolved = resolved
        self.gateway_mac = f"02:00:00:00:{number:02x}:01"
        self.host_mac = f"02:00:00:00:{number:02x}:64"

    @property
    def mac(self):
        return port_mac(PORTS.index(self.port))

    def net(self, version):
        return self.net4 if version == 4 else self.net6

    def pool(self, version, i=0):
        return str(self.net(version)[16 + i])

    def gateway(self, version):
        return str(self.net4[1]) if version == 4 else "fe80::1"

    def host(self, version):
        """A host on the link."""
        return str(self.net(version)[100])

    def _net_conf(self, version):
        net = self.net(version)
        conf = {"prefix": str(net), "pool": [f"{net[16]}-{net[17]}"]}
        if self.resolved:
            conf["gateway"] = self.gateway(version)
            conf["neighbours"] = (
                {"address": self.gateway(version), "mac": self.gateway_mac},
                {"address": self.host(version), "mac": self.host_mac},
            )
        return conf

    def conf(self):
        return {
            "name": self.name,
            "port": self.port,
            "vlan": self.vlan,
            "ipv4": self._net_conf(4),
            "ipv6": self._net_conf(6),
        }

    def ether(self, src=None, dst=None):
        """Layer 2 of a frame that arrives from the gateway."""
        eth = Ether(src=src or self.gateway_mac, dst=dst or self.mac)
        return eth / Dot1Q(vlan=self.vlan) if self.vlan else eth


EXT = Realm("ext", "outer", 0, 1, "198.18.0.0/24", "2001:db8:0:1::/64")
LOST = Realm("lost", "outer", 200, 2, "198.18.200.0/24", "2001:db8:0:c8::/64", resolved=False)
INT = Realm("int", "inner", 100, 3, "198.19.0.0/24", "2001:db8:0:2::/64")
CORE = Realm("core", "inner", 0, 4, "198.19.1.0/24", "2001:db8:0:3::/64")
REALMS = [EXT, LOST, INT, CORE]


def realms_conf():
    return [realm.conf() for realm in REALMS]


def ip(version, src, dst, **fields):
    """An IP header as any sender makes it; fields by their IPv4 names."""
    if version == 4:
        return IP(src=src, dst=dst, **fields)
    names = {"tos": "tc", "ttl": "hlim", "proto": "nh"}
    return IPv6(
        src=src, dst=dst, **{names.get(name, name): value for name, value in fields.items()}
    )


def rtp(seq, ssrc=0x11223344, size=160, payload_type=0, timestamp=None, marker=0):
    """An RTP packet whose payload tells its sequence number."""
    timestamp = seq * 160 if timestamp is None else timestamp
    head = struct.pack(
        "!BBHII", 0x80, marker << 7 | payload_type, seq & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc
    )
    body = (struct.pack("!I", seq) * (size // 4 + 1))[:size]
    return head + body


class Leg:
    """One side of a call: a local address and port, and the party's address."""

    def __init__(self, realm, version, port, remote, pool=0, on_link=False):
        self.realm = realm
        self.version = version
        self.local = realm.pool(version, pool)
        self.port = port
        self.remote = remote  # what is signalled; None is not told yet
        self.mac = realm.host_mac if on_link else realm.gateway_mac
        self.tos = TOS  # of what is sent to the party
        self.uid = 0

    def frame(self, payload=b"", src=None, rtcp=False, l3=None, udp=None):
        """A frame from the party (or from `src`) to the leg; l3 and udp override header fields."""
        src = src or (self.remote[0], self.remote[1] + rtcp)
        l4 = UDP(sport=src[1], dport=self.port + rtcp, **(udp or {}))
        return self.realm.ether() / ip(self.version, src[0], self.local, **(l3 or {})) / l4 / Raw(
            payload
        )

    def stream(self, payloads):
        """Frames from the party with payloads of one size. Only the first has a right checksum:
        for outgoing ports that compute their own."""
        first = bytes(self.frame(payloads[0]))
        head = first[: len(first) - len(payloads[0])]
        return [head + payload for payload in payloads]

    def expected(self, payload=b"", remote=None, rtcp=False, tos=None):
        """The frame that carries the payload to the party (or to `remote`)."""
        remote = remote or self.remote
        if rtcp:
            remote = (remote[0], remote[1] + 1)
        l3 = ip(
            self.version, self.local, remote[0], tos=self.tos if tos is None else tos, ttl=HOP_LIMIT
        )
        if self.version == 4:
            l3.id = 0  # RFC 6864 4.1: an atomic datagram
            l3.flags = "DF"
        l2 = self.realm.ether(src=self.realm.mac, dst=self.mac)
        return l2 / l3 / UDP(sport=self.port + rtcp, dport=remote[1]) / Raw(payload)


class Call:
    """Two legs, four flows."""

    def __init__(self, a, b, flags=0):
        self.a = a
        self.b = b
        self.flags = flags

    def other(self, leg):
        return self.b if leg is self.a else self.a

    def requests(self, region, version=1, **more):
        """FLOW_SET of all flows, for Region.submit."""
        owner = region.owner_of_port(self.a.port)
        out = []
        for leg in (self.a, self.b):
            for rtcp in (0, 1):
                remote = leg.remote and (leg.remote[0], leg.remote[1] + rtcp)
                slot = region.slot(leg.local, leg.port + rtcp)
                peer = self.other(leg)
                peer_slot = peer and region.slot(peer.local, peer.port + rtcp)
                said = {"version": version, "flags": self.flags, "tos": leg.tos, **more}
                out.append((owner, region.set_fields(slot, leg.uid, peer_slot, remote, **said)))
            if not self.b:
                break
        return out

    def delete_requests(self, region):
        owner = region.owner_of_port(self.a.port)
        legs = [leg for leg in (self.a, self.b) if leg]
        slots = [(leg, region.slot(leg.local, leg.port + rtcp)) for leg in legs for rtcp in (0, 1)]
        return [(owner, region.del_fields(slot, leg.uid)) for leg, slot in slots]


class Calls:
    """Gives out ports, remote addresses and uids that no other call of the run uses."""

    def __init__(self, port_min=35000, step=2):
        self.next_port = port_min
        self.step = step
        self.next_uid = 1
        self.n_remotes = 0
        self.all = []

    def remote(self, version, realm=None):
        """A new transport address behind the gateway, or on the link of a realm."""
        self.n_remotes += 1
        port = 10000 + 2 * self.n_remotes
        if realm:
            return realm.host(version), port
        return str((REMOTE4 if version == 4 else REMOTE6)[1 + self.n_remotes % 250]), port

    def leg(self, realm, version, remote="new", on_link=False, port=None, pool=0):
        if port is None:
            port = self.next_port
            self.next_port += self.step
        if remote == "new":
            remote = self.remote(version, realm if on_link else None)
        leg = Leg(realm, version, port, remote, pool, on_link)
        leg.uid = self.next_uid
        self.next_uid += 1
        return leg

    def call(self, a, b, **options):
        """A call between two (realm, version) pairs or legs; b may be None."""
        a = a if isinstance(a, Leg) else self.leg(*a)
        b = b if b is None or isinstance(b, Leg) else self.leg(*b)
        call = Call(a, b, **options)
        self.all.append(call)
        return call

    def install(self, region, calls=None):
        requests = [
            r for call in (self.all if calls is None else calls) for r in call.requests(region)
        ]
        for reply in region.submit(requests):
            if reply["status"] != N["RR_REPLY_OK"]:
                raise AssertionError(f"flow refused: {reply}")


def echo_request(realm, version, ident, seq, payload=b"ping" * 10):
    """An echo request from the gateway's side to the realm's first pool address."""
    if version == 4:
        message = ICMP(type=8, id=ident, seq=seq) / Raw(payload)
    else:
        message = ICMPv6EchoRequest(id=ident, seq=seq, data=payload)
    src = str((REMOTE4 if version == 4 else REMOTE6)[1])
    return realm.ether() / ip(version, src, realm.pool(version)) / message


def echo_of(frame):
    """(identifier, sequence number) of an echo reply, None for any other frame."""
    packet = Ether(bytes(frame))
    if ICMP in packet and packet[ICMP].type == 0:
        return packet[ICMP].id, packet[ICMP].seq
    if ICMPv6EchoReply in packet:
        return packet[ICMPv6EchoReply].id, packet[ICMPv6EchoReply].seq
    return None


def fields_of(frame):
    """Every field of every layer of a frame, for a comparison that names what differs."""
    rows = []
    layer = Ether(bytes(frame))
    while not isinstance(layer, NoPayload):
        for name in layer.fields_desc:
            rows.append((f"{layer.name}.{name.name}", layer.getfieldval(name.name)))
        layer = layer.payload
    return rows


def difference(got, want):
    """Text of the fields in which two frames differ, None when they are the same bytes."""
    got, want = bytes(got), bytes(want)
    if got == want:
        return None
    ours, theirs = dict(fields_of(got)), dict(fields_of(want))
    lines = [
        f"{name}: got {ours.get(name)!r}, expected {theirs.get(name)!r}"
        for name in {**theirs, **ours}
        if ours.get(name) != theirs.get(name)
    ]
    lines = lines or ["same fields, other bytes"]
    return "\n".join(lines + [f"got      {got.hex()}", f"expected {want.hex()}"])


def destination(frame):
    """(address, UDP port) that a frame of the relay goes to, None when it is no UDP.

    By hand, since there may be thousands; what the frame looks like is checked by difference().
    """
    at = 18 if frame[12:14] == b"\x81\x00" else 14
    ether_type = frame[at - 2 : at]
    if ether_type == b"\x08\x00" and frame[at + 9] == 17:
        addr, udp = frame[at + 16 : at + 20], at + (frame[at] & 15) * 4
    elif ether_type == b"\x86\xdd" and frame[at + 6] == 17:
        addr, udp = frame[at + 24 : at + 40], at + 40
    else:
        return None
    return str(ipaddress.ip_address(addr)), struct.unpack_from("!H", frame, udp + 2)[0]


class Sent:
    """The frames that left by a port, found by where they went."""

    def __init__(self, frames):
        self.by_destination = {}
        self.other = []
        for frame in frames:
            to = destination(frame)
            if to:
                self.by_destination.setdefault(to, []).append(frame)
            else:
                self.other.append(frame)

    def to(self, remote):
        return self.by_destination.get(tuple(remote), [])
