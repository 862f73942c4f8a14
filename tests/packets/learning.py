# SPDX-License-Identifier: BSD-2-Clause
"""Who may send into a call, and where the other party's media goes then, through the real program.

docs/learning.md has the whole machine, and test_learn.cc compares it cell by cell; here are the
walks through it that a call takes: NAT, re-INVITE, spoofing, continuity, RTCP, replay.
"""

import time

import talks
from calls import CORE, EXT, INT, rtp
from harness import main
from region import N, endpoint, endpoint_text, unpack

SAFE = N["RR_SET_SAFE"]
NAT = ("203.0.113.200", 30000)
NAT_RTCP = ("203.0.113.200", 30001)
THIEF = ("198.18.0.66", 666)


class BothModes(talks.Talk):
    """What holds in both modes; each test is played in both."""

    media = {"safe_silence_ms": 1, "safe_learn_packets": 3}

    def modes(self):
        for flags in (0, SAFE):
            with self.subTest(mode="safe" if flags else "compat"):
                yield flags

    def test_both_parties_hear_each_other(self):
        for flags in self.modes():
            call = self.calls.call((EXT, 4), (INT, 6), flags=flags)
            self.install(call)
            for leg, other in ((call.a, call.b), (call.b, call.a)):
                self.arrive(leg, rtp(1))
                self.got(other, rtp(1))
                self.arrive(leg, b"report", rtcp=True)
                self.got(other, b"report", rtcp=True)
            self.got_nothing()

    def test_party_behind_nat(self):
        for flags in self.modes():
            call = self.calls.call((EXT, 4), (CORE, 4), flags=flags)
            self.install(call)
            self.arrive(call.b, rtp(1))
            self.got(call.a, rtp(1))
            self.arrive(call.a, rtp(1), src=NAT)
            self.got(call.b, rtp(1))
            self.assertEqual(self.region.remote(self.slot(call.a)), NAT)
            self.arrive(call.b, rtp(2))
            self.got(call.a, rtp(2), remote=NAT)
            # RTCP is expected one port above, until it comes from elsewhere
            self.assertEqual(self.region.remote(self.slot(call.a, rtcp=True)), NAT_RTCP)
            self.arrive(call.b, b"report", rtcp=True)
            self.got(call.a, b"report", remote=NAT, rtcp=True)

    def test_party_that_was_never_told(self):
        for flags in self.modes():
            call = self.calls.call(self.calls.leg(EXT, 6, remote=None), (CORE, 4), flags=flags)
            self.install(call)
            before = self.counter("drop_flow_no_remote")
            self.arrive(call.b, rtp(1))
            self.assertEqual(self.counter("drop_flow_no_remote"), before + 1)
            self.got_nothing()
            source = ("2001:db8:ffff::200", 30000)
            self.arrive(call.a, rtp(1), src=source)
            self.got(call.b, rtp(1))
            self.arrive(call.b, rtp(2))
            self.got(call.a, rtp(2), remote=source)

    def test_spoofing_after_the_lock(self):
        for flags in self.modes():
            call = self.calls.call((EXT, 4), (CORE, 4), flags=flags)
            self.install(call)
            self.arrive(call.a, rtp(1))
            self.got(call.b, rtp(1))
            before = self.counter("drop_source_rejected")
            seen = self.region.flow(self.slot(call.a))["last_seen_ns"]
            for payload in (rtp(2, ssrc=1), b"no rtp", rtp(700), rtp(0)):
                self.arrive(call.a, payload, src=THIEF)
            self.got_nothing()
            self.assertEqual(self.counter("drop_source_rejected"), before + 4)
            flow = self.region.flow(self.slot(call.a))
            self.assertEqual((flow["n_rejected"], flow["last_seen_ns"]), (4, seen))
            self.arrive(call.b, rtp(1))
            self.got(call.a, rtp(1))

    def test_asymmetric_party_sends_from_any_port_of_its_host(self):
        for flags in self.modes():
            call = self.calls.call((EXT, 4), (CORE, 4), flags=flags | N["RR_SET_ASYMMETRIC"])
            self.install(call)
            self.arrive(call.a, rtp(1), src=(call.a.remote[0], 9))
            self.got(call.b, rtp(1))
            self.arrive(call.a, rtp(2), src=THIEF)
            self.got_nothing()
            self.arrive(call.b, rtp(1))
            self.got(call.a, rtp(1))

    def test_new_address_by_signalling(self):
        for flags in self.modes():
            call = self.calls.call((EXT, 4), (CORE, 4), flags=flags)
            self.install(call)
            self.arrive(call.a, rtp(1))
            self.got(call.b, rtp(1))
            old, call.a.remote = call.a.remote, self.calls.remote(4)
            self.install(call, version=2)
            self.arrive(call.b, rtp(1))
            self.got(call.a, rtp(1))
            self.arrive(call.a, rtp(2))
            self.got(call.b, rtp(2))
            if flags:
                self.arrive(call.a, rtp(3, ssrc=9), src=old)
                self.got_nothing()

    def test_same_request_again_changes_nothing(self):
        for flags in self.modes():
            call = self.calls.call((EXT, 4), (CORE, 4), flags=flags)
            self.install(call)
            for i in range(4):
                self.arrive(call.a, rtp(i), src=NAT)
                self.got(call.b, rtp(i))
            before = self.region.flow(self.slot(call.a))
            self.install(call)
            after = self.region.flow(self.slot(call.a))
            for name in before:
                if name not in ("seq", "nexthop"):
                    self.assertEqual(after[name], before[name], name)
            self.arrive(call.b, rtp(1))
            self.got(call.a, rtp(1), remote=NAT)

    def test_new_call_on_the_same_ports_knows_nothing_of_the_old_one(self):
        for flags in self.modes():
            call = self.calls.call((EXT, 4), (CORE, 4), flags=flags)
            self.install(call)
            for i in range(4):
                self.arrive(call.a, rtp(i), src=NAT)
                self.got(call.b, rtp(i))
            self.region.submit(call.delete_requests(self.region))
            final = self.region.flow(self.slot(call.a))
            self.assertEqual(
                (final["uid"], final["n_packets"]), (call.a.uid, 4), "readable after the end"
            )
            before = self.counter("drop_flow_none")
            self.arrive(call.a, rtp(9), src=NAT)
            self.arrive(call.a, b"report", src=NAT, rtcp=True)
            self.got_nothing()
            self.assertEqual(self.counter("drop_flow_none"), before + 2)
            for leg in (call.a, call.b):
                leg.uid += 1000000
            self.install(call)
            self.assertEqual(self.region.flow(self.slot(call.a))["n_packets"], 0)
            self.arrive(call.b, rtp(1))
            self.got(call.a, rtp(1))

    def test_one_leg_alone_and_completed_later(self):
        for flags in self.modes():
            call = self.calls.call((EXT, 4), None, flags=flags)
            self.install(call)
            before = self.counter("drop_flow_incomplete")
            self.arrive(call.a, rtp(1))
            self.assertEqual(self.counter("drop_flow_incomplete"), before + 1)
            call.b = self.calls.leg(INT, 4)
            self.install(call, version=2)
            self.arrive(call.a, rtp(2))
            self.got(call.b, rtp(2))
            self.arrive(call.b, rtp(1))
            self.got(call.a, rtp(1))

    def test_hold_and_resume(self):
        # a signalled address that is not there any more leaves the call where it was
        for flags in self.modes():
            call = self.calls.call((EXT, 4), (CORE, 4), flags=flags)
            self.install(call)
            remote, call.a.remote = call.a.remote, None
            self.install(call, version=2)
            call.a.remote = remote
            self.arrive(call.b, rtp(1))
            self.got(call.a, rtp(1))

    def test_stream_continues_elsewhere(self):
        for flags in self.modes():
            call = self.calls.call((EXT, 4), (CORE, 4), flags=flags)
            self.install(call)
            self.arrive(call.a, rtp(1, ssrc=77))
            self.got(call.b, rtp(1, ssrc=77))
            before = self.counter("relatched")
            self.silence(call.a)
            self.arrive(call.a, rtp(2, ssrc=77), src=NAT)
            self.got(call.b, rtp(2, ssrc=77))
            self.assertEqual(self.region.remote(self.slot(call.a)), NAT)
            self.assertEqual(self.counter("relatched"), before + 1)
            self.arrive(call.b, rtp(1))
            self.got(call.a, rtp(1), remote=NAT)
            # the old address is a stranger now, unless it continues in turn
            self.arrive(call.a, rtp(600, ssrc=77))
            self.got_nothing()

    def silence(self, leg):
        """Let safe_silence_ms pass since the last packet of a leg."""
        seen = self.region.flow(self.slot(leg))["last_seen_ns"]
        while time.clock_gettime_ns(time.CLOCK_MONOTONIC) < seen + 2000000:
            time.sleep(0.0005)

    # ---- what control is told, and tells again

    def events(self):
        return [unpack("rr_event", data) for data in iter(self.region.events[0].pop, None)]

    def test_events_tell_what_was_learned(self):
        for flags in self.modes():
            call = self.calls.call((EXT, 4), (CORE, 4), flags=flags)
            self.install(call)
            self.events()
            for i in range(4):
                self.arrive(call.a, rtp(i, ssrc=5), src=NAT)
                self.got(call.b, rtp(i, ssrc=5))
            last = {event["slot"]: event for event in self.events()}
            event = last[self.slot(call.a)]
            self.assertEqual((event["type"], event["uid"]), (N["RR_EVENT_LEARNED"], call.a.uid))
            self.assertEqual(endpoint_text(event["learned"]), NAT)
            self.assertTrue(
                event["flags"] & N["RR_SET_LEARNED"] and event["flags"] & N["RR_SET_LATCHED"]
            )
            guess = last[self.slot(call.a, rtcp=True)]
            self.assertEqual(endpoint_text(guess["learned"]), NAT_RTCP)
            self.assertTrue(guess["flags"] & N["RR_SET_GUESSED"])

    def test_learned_address_is_replayed_into_a_fresh_region(self):
        for flags in self.modes():
            learned = N["RR_SET_LEARNED"] | N["RR_SET_LATCHED"] | N["RR_SET_LATCH_SSRC"]
            call = self.calls.call((EXT, 4), (CORE, 4), flags=flags)
            requests = call.requests(self.region)
            requests[0][1].update(learned=endpoint(NAT), latch_ssrc=5, latch_seq=10)
            requests[0][1]["flags"] |= learned
            for reply in self.region.submit(requests):
                self.assertEqual(reply["status"], 0)
            self.arrive(call.b, rtp(1))
            self.got(call.a, rtp(1), remote=NAT)
            self.arrive(call.a, rtp(11, ssrc=6), src=THIEF)
            self.got_nothing()
            self.arrive(call.a, rtp(11, ssrc=5), src=NAT)
            self.got(call.b, rtp(11, ssrc=5))


class Compat(talks.Talk):
    """What rtpproxy's way alone allows."""

    def test_first_stranger_wins(self):
        call = self.calls.call((EXT, 4), (CORE, 4))
        self.install(call)
        self.arrive(call.a, rtp(1, ssrc=1), src=THIEF)
        self.got(call.b, rtp(1, ssrc=1))
        self.arrive(call.a, rtp(1, ssrc=2))
        self.got_nothing()

    def test_sequence_window(self):
        for ahead, moves in ((-1, False), (0, True), (536, True), (537, False)):
            with self.subTest(ahead=ahead):
                call = self.calls.call((EXT, 4), (CORE, 4))
                self.install(call)
                self.arrive(call.a, rtp(65500, ssrc=3))
                self.got(call.b, rtp(65500, ssrc=3))
                payload = rtp(65500 + ahead, ssrc=3)
                self.arrive(call.a, payload, src=NAT)
                if moves:
                    self.got(call.b, payload)
                self.got_nothing()

    def test_ten_seconds_after_an_update_anybody_may_take_the_call(self):
        call = self.calls.call((EXT, 4), (CORE, 4))
        self.install(call)
        self.arrive(call.a, rtp(1))
        self.got(call.b, rtp(1))
        self.install(call, version=2)
        for i, source in enumerate((THIEF, call.a.remote, THIEF)):
            self.arrive(call.a, rtp(i, ssrc=i + 1), src=source)
            self.got(call.b, rtp(i, ssrc=i + 1))
            self.assertEqual(self.region.remote(self.slot(call.a)), tuple(source))

    def test_signalled_address_is_ignored_once_one_was_learned(self):
        call = self.calls.call((EXT, 4), (CORE, 4))
        self.install(call)
        self.arrive(call.a, rtp(1), src=NAT)
        self.got(call.b, rtp(1))
        call.a.remote = self.calls.remote(4)
        self.install(call, version=2)
        self.arrive(call.b, rtp(1))
        self.got(call.a, rtp(1), remote=NAT)

    def test_latch_without_ssrc_is_final(self):
        call = self.calls.call((EXT, 4), (CORE, 4))
        self.install(call)
        self.arrive(call.a, b"no rtp at all")
        self.got(call.b, b"no rtp at all")
        self.arrive(call.a, rtp(1), src=NAT)
        self.got_nothing()

    def test_rtcp_is_learned_once(self):
        call = self.calls.call((EXT, 4), (CORE, 4))
        self.install(call)
        self.arrive(call.a, b"report", src=(NAT[0], 40000), rtcp=True)
        self.got(call.b, b"report", rtcp=True)
        self.arrive(call.a, b"report", src=THIEF, rtcp=True)
        self.got_nothing()
        self.arrive(call.b, b"back", rtcp=True)
        self.got(call.a, b"back", remote=(NAT[0], 39999), rtcp=True)


class Safe(talks.Talk):
    """What `safe` does not allow."""

    media = {"safe_silence_ms": 60000, "safe_learn_packets": 3}

    def test_signalled_address_wins_over_a_stranger(self):
        call = self.calls.call((EXT, 4), (CORE, 4), flags=SAFE)
        self.install(call)
        self.arrive(call.a, rtp(1, ssrc=1), src=THIEF)
        self.got(call.b, rtp(1, ssrc=1))
        self.arrive(call.a, rtp(1, ssrc=2))
        self.got(call.b, rtp(1, ssrc=2))
        self.arrive(call.a, rtp(2, ssrc=1), src=THIEF)
        self.got_nothing()
        self.arrive(call.b, rtp(1))
        self.got(call.a, rtp(1))

    def test_learning_ends_with_its_packets(self):
        call = self.calls.call((EXT, 4), (CORE, 4), flags=SAFE)
        self.install(call)
        for i in range(4):
            self.arrive(call.a, rtp(i, ssrc=1), src=NAT)
            self.got(call.b, rtp(i, ssrc=1))
        self.arrive(call.a, rtp(1, ssrc=2))
        self.got_nothing()

    def test_stream_does_not_move_while_its_source_is_heard(self):
        call = self.calls.call((EXT, 4), (CORE, 4), flags=SAFE)
        self.install(call)
        self.arrive(call.a, rtp(1))
        self.got(call.b, rtp(1))
        self.arrive(call.a, rtp(2), src=THIEF)
        self.got_nothing()

    def test_repeated_address_opens_nothing(self):
        call = self.calls.call((EXT, 4), (CORE, 4), flags=SAFE)
        self.install(call)
        self.arrive(call.a, rtp(1))
        self.got(call.b, rtp(1))
        self.install(call, version=2)
        self.arrive(call.a, rtp(2), src=THIEF)
        self.got_nothing()


if __name__ == "__main__":
    main()
