# SPDX-License-Identifier: BSD-2-Clause
"""RTP and RTCP of test calls: packets out of a capture, endpoints that judge what arrives."""

import array
import os
import select
import socket
import struct
import subprocess
import time

from rtpp import Netns

SO_TIMESTAMPNS = 35  # also the type of the control message; struct timespec
RTP_HEADER = struct.Struct("!BBHII")
TIMESPEC = struct.Struct("qq")
RECEIVE_BUFFER = 4 << 20
DATAGRAM_MAX = 9216
# A sender that was held up catches up in bursts that a veth's queue of 256 holds.
BURST = 32
BREATH_S = 0.0001
IDLE_S = 0.05


def default_capture():
    """The G.711 capture of Debian's sip-tester package."""
    listing = subprocess.run(
        ["dpkg", "-L", "sip-tester"], check=True, capture_output=True, text=True).stdout
    for path in listing.splitlines():
        if path.endswith("/g711a.pcap"):
            return path
    raise FileNotFoundError("sip-tester holds no g711a.pcap")


class Capture:
    """The RTP packets of a capture file, as a loop without end.

    Lap 0 is the capture bit for bit; later laps carry on its sequence numbers and timestamps.
    """

    def __init__(self, path):
        from scapy.layers.inet import UDP  # slow to import, so only where a file is read
        from scapy.utils import rdpcap

        packets = [p for p in rdpcap(path) if UDP in p]
        if len(packets) < 2:
            raise ValueError(f"{path}: no RTP in it")
        self.offsets = [float(p.time - packets[0].time) for p in packets]
        raw = [bytes(p[UDP].payload) for p in packets]
        headers = [RTP_HEADER.unpack_from(data) for data in raw]
        self.payloads = [data[RTP_HEADER.size:] for data in raw]
        self.marks = [h[:2] for h in headers]
        self.first_seq = headers[0][2]
        self.timestamps = [(h[3] - headers[0][3]) & 0xFFFFFFFF for h in headers]
        self.first_timestamp = headers[0][3]
        self.ssrc = headers[0][4]
        step = len(packets) - 1
        self.lap_seconds = self.offsets[-1] * (step + 1) / step
        self.lap_timestamp = self.timestamps[-1] * (step + 1) // step
        # RTP clock of the payload type by the capture's own account
        self.clock_hz = self.timestamps[-1] / self.offsets[-1]

    def __len__(self):
        return len(self.payloads)

    def due(self, index):
        """Seconds after the first packet."""
        lap, i = divmod(index, len(self.payloads))
        return lap * self.lap_seconds + self.offsets[i]

    def packet(self, index, ssrc):
        lap, i = divmod(index, len(self.payloads))
        timestamp = self.first_timestamp + self.timestamps[i] + lap * self.lap_timestamp
        header = RTP_HEADER.pack(*self.marks[i], (self.first_seq + index) & 0xFFFF,
                                 timestamp & 0xFFFFFFFF, ssrc)
        return header + self.payloads[i]

    def count(self, seconds):
        """How many packets are due within so many seconds."""
        n = int(seconds / self.lap_seconds) * len(self)
        while self.due(n) < seconds:
            n += 1
        return n


def open_endpoint(netns, host, port=0):
    """A UDP socket of a party, with the kernel's time of arrival on what it receives."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with Netns(netns):
        sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    try:
        sock.setsockopt(socket.SOL_SOCKET, 33, RECEIVE_BUFFER)  # SO_RCVBUFFORCE
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    sock.setblocking(False)
    sock.bind((host, port))
    return sock


def open_pair(netns, host):
    """RTP on an even port and RTCP on the next."""
    for _ in range(1000):
        rtp = open_endpoint(netns, host)
        port = rtp.getsockname()[1]
        if port % 2 == 0:
            try:
                return rtp, open_endpoint(netns, host, port + 1)
            except OSError:
                pass
        rtp.close()
    raise OSError(f"no even and odd port pair at {host}")


def receive(sock):
    """One datagram: (data, source host, source port, arrival in ns of the real-time clock)."""
    try:
        data, ancillary, _flags, source = sock.recvmsg(DATAGRAM_MAX, 64)
    except (BlockingIOError, ConnectionRefusedError):
        return None
    arrival_ns = 0
    for level, kind, value in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
            seconds, ns = TIMESPEC.unpack(value)
            arrival_ns = seconds * 1000000000 + ns
    return data, source[0], source[1], arrival_ns


def receive_within(sock, seconds):
    """The next datagram, or None when none comes in time."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if select.select([sock], [], [], left)[0]:
            got = receive(sock)
            if got is not None:
                return got
    return None


class RtpSource:
    """What one party sends in one call."""

    def __init__(self, capture, stream_id, n_packets):
        self.capture = capture
        self.ssrc = (capture.ssrc + 0x9E3779B1 * stream_id) & 0xFFFFFFFF
        self.n_packets = n_packets

    def due(self, index):
        return self.capture.due(index)

    def packet(self, index):
        return self.capture.packet(index, self.ssrc)

    def index_near(self, data, near):
        """Index of a packet by its sequence number, the one closest to near; None if no RTP."""
        if len(data) < RTP_HEADER.size:
            return None
        seq = struct.unpack_from("!H", data, 2)[0]
        ahead = (seq - self.capture.first_seq - near) & 0xFFFF
        return near + (ahead if ahead < 0x8000 else ahead - 0x10000)


class RtcpSource:
    """Sender and receiver reports by turns (RFC 3550 6.4), every one different."""

    def __init__(self, ssrc, peer_ssrc, n_packets, interval_s):
        self.ssrc = ssrc
        self.peer_ssrc = peer_ssrc
        self.n_packets = n_packets
        self.interval_s = interval_s

    def due(self, index):
        return (index + 0.5) * self.interval_s

    def packet(self, index):
        block = struct.pack("!IIIIII", self.peer_ssrc, 0, index, index, index << 16, 0)
        if index % 2:  # RR
            return struct.pack("!BBHI", 0x81, 201, 7, self.ssrc) + block
        sender = struct.pack("!QIII", (index + 1) << 32, index * 8000, index, index * 240)
        return struct.pack("!BBHI", 0x81, 200, 12, self.ssrc) + sender + block

    def index_near(self, data, near):
        offset = 16 if len(data) == 32 else 36  # extended highest sequence number of the block
        if len(data) < offset + 4:
            return None
        return struct.unpack_from("!I", data, offset)[0]


class Stream:
    """One direction of RTP or RTCP of one call: a source, the two ends, and the account of both."""

    def __init__(self, source, tx, rx, dest, expected_from, start_s):
        self.source = source
        self.tx, self.rx = tx, rx
        self.dest = dest  # relay's address towards the sender
        self.expected_from = expected_from  # relay's address towards the receiver
        self.start_s = start_s
        self.sent_ns = array.array("q", bytes(8 * source.n_packets))
        self.arrived = bytearray(source.n_packets)
        self.n_sent = self.n_received = 0
        self.n_duplicate = self.n_reordered = self.n_altered = self.n_wrong_source = 0
        self.n_send_errors = 0
        self.next_index = 0
        self.delays_ns = array.array("q")
        self.jitter_s = self.jitter_max_s = 0.0
        self._transit_ns = None

    def due(self):
        return self.start_s + self.source.due(self.n_sent)

    def send(self):
        index = self.n_sent
        packet = self.source.packet(index)
        self.sent_ns[index] = time.time_ns()
        try:
            self.tx.sendto(packet, self.dest)
        except OSError:
            self.n_send_errors += 1
        self.n_sent += 1

    def take(self, data, host, port, arrival_ns):
        index = self.source.index_near(data, self.next_index)
        if index is None or not 0 <= index < self.n_sent or data != self.source.packet(index):
            self.n_altered += 1
            return
        if (host, port) != self.expected_from:
            self.n_wrong_source += 1
        if self.arrived[index]:
            self.n_duplicate += 1
            return
        self.arrived[index] = 1
        self.n_received += 1
        if index < self.next_index:
            self.n_reordered += 1
        else:
            self.next_index = index + 1
        self._measure(index, arrival_ns)

    def _measure(self, index, arrival_ns):
        delay_ns = arrival_ns - self.sent_ns[index]
        self.delays_ns.append(delay_ns)
        # RFC 3550 6.4.1 with the time of sending in the place of the timestamp: what the way added.
        if self._transit_ns is not None:
            step_s = abs(delay_ns - self._transit_ns) / 1e9
            self.jitter_s += (step_s - self.jitter_s) / 16
            self.jitter_max_s = max(self.jitter_max_s, self.jitter_s)
        self._transit_ns = delay_ns

    @property
    def n_lost(self):
        return self.n_sent - self.n_received

    def faults(self):
        """Names of the checks that failed, with their counts."""
        names = ("n_lost", "n_duplicate", "n_reordered", "n_altered", "n_wrong_source",
                 "n_send_errors")
        return {name[2:]: getattr(self, name) for name in names if getattr(self, name)}


def play(streams, rate=1.0, linger_s=2.0, stop=lambda: False):
    """Send every stream on time and take what arrives; return when all is in or linger_s passed.

    stop() true ends the sending early.
    """
    poll = select.epoll()
    by_fd = {}
    for stream in streams:
        by_fd[stream.rx.fileno()] = stream
        poll.register(stream.rx.fileno(), select.EPOLLIN)
    schedule = _schedule(streams)
    due = next(schedule, None)
    start = time.monotonic()
    done_at = None
    while True:
        now = time.monotonic() - start
        for _ in range(BURST):
            if due is None or due[0] / rate > now:
                break
            due[1].send()
            due = next(schedule, None)
            now = time.monotonic() - start
        if stop():
            due = None
        if due is None:
            done_at = done_at or now
            if now > done_at + linger_s or not any(s.n_received < s.n_sent for s in streams):
                break
        wait = due[0] / rate - now if due is not None else IDLE_S
        if wait <= 0:
            time.sleep(BREATH_S)
        for fd, _event in poll.poll(min(max(wait, 0.0), IDLE_S)):
            stream = by_fd[fd]
            for _ in range(64):
                got = receive(stream.rx)
                if got is None:
                    break
                stream.take(*got)
    for stream in streams:  # what came after the last expected one: duplicates, strangers
        while (got := receive(stream.rx)) is not None:
            stream.take(*got)
    poll.close()


def _schedule(streams):
    """(seconds, stream) in order of time."""
    import heapq

    heap = [(s.start_s + s.source.due(0), i) for i, s in enumerate(streams) if s.source.n_packets]
    heapq.heapify(heap)
    left = [s.source.n_packets for s in streams]
    while heap:
        when, i = heap[0]
        yield when, streams[i]
        left[i] -= 1
        if left[i]:
            stream = streams[i]
            index = stream.source.n_packets - left[i]
            heapq.heapreplace(heap, (stream.start_s + stream.source.due(index), i))
        else:
            heapq.heappop(heap)


def percentile(values, percent):
    """Of sorted values; 0 when there are none."""
    if not values:
        return 0
    return values[min(len(values) - 1, int(len(values) * percent / 100))]


def lab(name="lab"):
    """The shell assignments of a standing lab as a dictionary."""
    tool = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lab")
    status = subprocess.run([tool, "status", "--name", name], check=False, capture_output=True,
                            text=True)
    if status.returncode != 0:
        raise RuntimeError(status.stderr.strip())
    import shlex

    assignments = (word.partition("=") for word in shlex.split(status.stdout))
    return {key: value for key, _, value in assignments}
