# SPDX-License-Identifier: BSD-2-Clause
"""What build/flowgen makes of a running relay's flows is what the relay relays.

    region -> flowgen -> capture -> this test -> wires -> rtprelay-dp -> wires -> this test

Calls of every pair of families, with a VLAN on one side. The frames of a capture are put on the
wire of the port that they are for. Not covered: how fast anything is.
"""

import os
import re
import subprocess

from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw

from calls import CORE, EXT, INT, PORTS, destination
from harness import BUILD, main, read_pcap
from talks import Talk

N_LAPS = 20
PAYLOAD = 172
SIDES = (
    ((EXT, 4), (CORE, 4)),
    ((EXT, 4), (INT, 6)),
    ((EXT, 6), (INT, 4)),
    ((EXT, 6), (CORE, 6)),
)
REFUSED, MISUSE = 1, 2


def rebuilt(frame):
    """The same frame with lengths and checksums as scapy computes them."""
    packet = Ether(frame)
    ip = packet[IP] if IP in packet else packet[IPv6]
    for layer, names in ((ip, ("chksum", "len", "plen")), (packet[UDP], ("chksum", "len"))):
        for name in names:
            if name in layer.fields:
                delattr(layer, name)
    return bytes(packet)


class Flowgen(Talk):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.legs = []
        for sides in SIDES:
            call = cls.calls.call(*sides)
            cls.legs += [call.a, call.b]
        # One whose callee is not known yet: nobody is expected to send to it.
        cls.calls.call(cls.calls.leg(EXT, 4), cls.calls.leg(CORE, 4, remote=None))
        cls.legs.append(cls.calls.all[-1].a)
        cls.calls.install(cls.region)
        cls.path = os.path.join(cls.dp.folder, "frames")

    def flowgen(self, *words, status=0):
        command = [os.path.join(BUILD, "flowgen"), "-c",
                   os.path.join(self.dp.folder, "rtprelay.conf"), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stderr

    def capture(self, *words):
        self.flowgen(*words, "pcap", self.path)
        return read_pcap(self.path)

    def of_port(self, port):
        return [leg for leg in self.legs if leg.realm.port == port]

    def test_every_frame_is_relayed(self):
        before = self.region.counters()
        for port in PORTS:
            frames = self.capture("-k", str(N_LAPS), "-p", port)
            self.assertEqual(len(frames), N_LAPS * len(self.of_port(port)))
            self.send(port, *frames)
        after = self.region.counters()
        grown = {name: after[name] - before[name] for name in after if after[name] > before[name]}
        n = N_LAPS * len(self.legs)
        n_deaf = N_LAPS  # of the leg whose other side is not known
        self.assertEqual(grown["rx_packets"], n)
        self.assertEqual(grown["relayed_packets"], n - n_deaf)
        drops = {name: n for name, n in grown.items() if name.startswith("drop_")}
        self.assertEqual(drops, {"drop_flow_no_remote": n_deaf})
        for leg in self.legs:
            self.check_flow(self.region.flow(self.slot(leg)))

    def check_flow(self, flow):
        """Every packet of the stream came once and in its order."""
        self.assertEqual(flow["n_packets"], N_LAPS)
        self.assertEqual((flow["n_duplicates"], flow["n_reordered"], flow["n_rejected"]), (0, 0, 0))
        self.assertEqual(flow["ext_seq_max"] - flow["contig_lo"] + 1, N_LAPS)

    def test_frames_are_those_of_the_parties(self):
        frames = self.capture("-s", "60", "-m", "02:00:00:00:00:77")
        self.assertEqual(len(frames), len(self.legs))
        for leg in self.legs:
            mine = [f for f in frames if destination(f) == (leg.local, leg.port)]
            self.assertEqual(len(mine), 1)
            packet = Ether(mine[0])
            ip = packet[IP] if leg.version == 4 else packet[IPv6]
            self.assertEqual((packet.src, packet.dst), ("02:00:00:00:00:77", leg.realm.mac))
            self.assertEqual(packet[Dot1Q].vlan if Dot1Q in packet else 0, leg.realm.vlan)
            self.assertEqual((ip.src, packet[UDP].sport), leg.remote)
            self.assertEqual(len(packet[Raw].load), 60)
            self.assertEqual(mine[0], rebuilt(mine[0]))

    def test_a_trafgen_file_holds_the_same_frames(self):
        frames = self.capture("-k", "3")
        self.flowgen("-k", "3", "trafgen", self.path)
        with open(self.path, encoding="ascii") as file:
            blocks = re.findall(r"\{(.*?)\}", file.read(), re.DOTALL)
        said = [bytes(int(byte, 16) for byte in re.findall(r"0x(\w\w)", b)) for b in blocks]
        self.assertEqual(said, frames)

    def test_flows_are_chosen(self):
        of_ipv6 = [leg for leg in self.legs if leg.version == 6]
        self.assertEqual(len(self.capture("-f", "6")), len(of_ipv6))
        self.assertEqual(len(self.capture("-n", "3", "-k", "2")), 6)
        first = self.capture("-o", "-n", "1", "-p", "outer", "-f", "4")[0]
        self.assertEqual(destination(first), (EXT.pool(4), self.legs[0].port))

    def test_what_is_refused(self):
        self.assertIn("99 are wanted", self.flowgen("-n", "99", "pcap", self.path, status=REFUSED))
        nowhere = os.path.join(self.dp.folder, "no", "file")
        self.assertIn(nowhere, self.flowgen("pcap", nowhere, status=REFUSED))
        for words in (("pcap",), ("-s", "11", "pcap", "x"), ("-m", "02:00", "pcap", "x"),
                      ("-f", "5", "pcap", "x"), ("gif", "x")):
            self.flowgen(*words, status=MISUSE)


if __name__ == "__main__":
    main()
