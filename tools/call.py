# SPDX-License-Identifier: BSD-2-Clause
"""One call between two parties through a relay: its commands, its streams, and what Q must say."""

from media import RtcpSource, RtpSource, Stream, open_pair

RTCP_INTERVAL_S = 1.0


class CallError(Exception):
    """The relay answered a command in a way that ends the call."""


class Leg:
    """One party of one call: its sockets, and the relay's port that it talks to."""

    def __init__(self, netns, host):
        self.netns, self.host = netns, host
        self.rtp, self.rtcp = open_pair(netns, host)
        self.port = self.rtp.getsockname()[1]
        self.relay = None  # (host, port) that the relay announced to this party

    @property
    def is_ipv6(self):
        return ":" in self.host

    def at_relay(self, offset=0):
        return self.relay[0], self.relay[1] + offset

    def close(self):
        self.rtp.close()
        self.rtcp.close()


def route_modifier(host):
    """Ask for the relay's address on the way to this party."""
    return f"r[{host}]" if ":" in host else f"r{host}"


def parse_tuple(reply, command):
    """'PORT ADDR[ 6]' -> (ADDR, PORT)."""
    words = reply.split()
    if reply.startswith("E") or len(words) < 2 or not words[0].isdigit() or words[0] == "0":
        raise CallError(f"'{command}' was answered '{reply}'")
    return words[1], int(words[0])


class Call:
    """One call from U to D."""

    def __init__(self, number, controller, caller, callee, prefix):
        self.controller = controller
        self.caller, self.callee = caller, callee
        self.call_id = f"{prefix}-{number}"
        self.tags = f"from{number} to{number}"
        self.streams = {}
        self.up = False

    def ask(self, command):
        reply = self.controller.command(command)
        if reply.startswith("E"):
            raise CallError(f"'{command}' was answered '{reply}'")
        return reply

    def offer(self, verb, party, other, tags):
        """The SDP of party goes to the relay, the relay's address goes to the other party."""
        modifiers = ("6" if party.is_ipv6 else "") + route_modifier(other.host)
        command = f"{verb}{modifiers} {self.call_id} {party.host} {party.port} {tags}"
        other.relay = parse_tuple(self.ask(command), command)

    def set_up(self):
        self.offer("U", self.caller, self.callee, self.tags.split()[0])
        self.up = True
        self.offer("L", self.callee, self.caller, self.tags)

    def make_streams(self, capture, number, n_packets, n_reports, start_s):
        sources = [RtpSource(capture, 2 * number + i, n_packets) for i in (0, 1)]
        for i, (name, tx, rx) in enumerate((("caller to callee", self.caller, self.callee),
                                            ("callee to caller", self.callee, self.caller))):
            self.streams["RTP", name] = Stream(
                sources[i], tx.rtp, rx.rtp, tx.at_relay(), rx.at_relay(), start_s)
            reports = RtcpSource(sources[i].ssrc, sources[1 - i].ssrc, n_reports, RTCP_INTERVAL_S)
            self.streams["RTCP", name] = Stream(
                reports, tx.rtcp, rx.rtcp, tx.at_relay(1), rx.at_relay(1), start_s)

    def check_query(self):
        """What Q must say, given what was sent and what arrived; returns the differences."""
        forth = self.streams["RTP", "caller to callee"]
        back = self.streams["RTP", "callee to caller"]
        want = {"npkts_ina": forth.n_sent, "npkts_ino": back.n_sent,
                "nrelayed": forth.n_sent + back.n_sent, "ndropped": 0,
                "rtpa_nsent": forth.n_sent, "rtpa_nrcvd": forth.n_sent, "rtpa_ndups": 0,
                "rtpa_nlost": 0, "rtpa_perrs": 0}
        if not forth.n_sent:
            return []
        reply = self.ask(f"Qv {self.call_id} {self.tags} {' '.join(want)}")
        got = dict(word.partition("=")[::2] for word in reply.split())
        return [f"{self.call_id}: Q says {name} {got.get(name)}, expected {value}"
                for name, value in want.items() if got.get(name) != str(value)]

    def tear_down(self):
        if self.up:
            self.up = False
            self.ask(f"D {self.call_id} {self.tags}")

    def close(self):
        self.caller.close()
        self.callee.close()
