# SPDX-License-Identifier: BSD-2-Clause
"""The parties of the calls of a vector: they send and hear media over a wire to the dataplane.

    parties, all at PARTY -- memif wire -- rtprelay-dp -- the calls of the row

What the dataplane does with a datagram is awaited with a call of our own, the marker: one worker
handles everything in order, so that what came before a marker's datagram is done when that is out.
"""
import os
import struct
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), '../packets'))
from memif import Wire  # noqa: E402
from waiting import wait_until  # noqa: E402

PARTY = '198.18.0.2'
PARTY_MAC = '02:00:00:00:00:02'
RELAY_MAC = '02:70:63:61:70:00'
ETHERTYPE_IPV4 = b'\x08\x00'
UDP = 17


def mac_bytes(text):
    return bytes.fromhex(text.replace(':', ''))


def ip_bytes(text):
    return bytes(int(part) for part in text.split('.'))


def checksum(data):
    total = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def frame(source_port, to, port, payload):
    udp = struct.pack('!HHHH', source_port, port, 8 + len(payload), 0) + payload
    ip = struct.pack('!BBHHHBBH', 0x45, 0, 20 + len(udp), 0, 0, 64, UDP, 0)
    ip += ip_bytes(PARTY) + ip_bytes(to)
    ip = ip[:10] + struct.pack('!H', checksum(ip)) + ip[12:]
    return mac_bytes(RELAY_MAC) + mac_bytes(PARTY_MAC) + ETHERTYPE_IPV4 + ip + udp


def rtp_packet(marker, payload_type, seq, timestamp, ssrc, size):
    head = struct.pack('!BBHII', 0x80, marker << 7 | payload_type, seq & 0xFFFF,
                       timestamp & 0xFFFFFFFF, ssrc)
    return head + b'\xd5' * size


class Parties:
    """relay: the media address of the relay; check raises when its dataplane is gone."""

    def __init__(self, path, relay, check):
        self.relay = relay
        self.check = check
        self.wire = Wire(path, 1, check)
        self.next_port = 4000
        self.heard = {}  # port: [(port of the relay, payload)]

    def close(self):
        self.wire.close()

    def new_port(self):
        """An even one; it and the next one have not been used before."""
        self.next_port += 2
        return self.next_port

    def send(self, source_port, port, payload):
        self.wire.send(frame(source_port, self.relay, port, payload))

    def listen(self):
        """Sort what has come by who heard it."""
        for data in self.wire.receive():
            if data[12:14] != ETHERTYPE_IPV4 or data[23] != UDP:
                continue
            udp = 14 + (data[14] & 15) * 4
            source, to, size = struct.unpack_from('!HHH', data, udp)
            self.heard.setdefault(to, []).append((source, data[udp + 8:udp + size]))

    def take(self, port):
        return self.heard.pop(port, [])

    def settle(self, tell):
        """Wait until the dataplane is done with all that was sent. tell(command): its reply."""
        port = self.new_port()
        reply = tell('U marker%d %s 0 ft' % (port, PARTY))
        reply = tell('L marker%d %s %d ft tt' % (port, PARTY, port))
        caller_side = int(reply.split()[0])
        # What the callee's side sends to is what the L told, so from the caller it arrives there.
        self.send(self.new_port(), caller_side, b'marker')

        def passed():
            self.listen()
            return self.take(port)

        wait_until(passed, 'the marker', self.check)
        tell('D marker%d ft' % port)
