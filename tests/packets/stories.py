# SPDX-License-Identifier: BSD-2-Clause
"""Many tests on one start of the dataplane.

A test is a generator, a story in two parts. Before its `yield` it sets calls up and hands over the
frames that arrive; then the ports run, for all stories at once; behind the `yield` it looks at what
happened. What it finds wrong is kept and raised in the test of its name. At last the class checks
that every frame went where its story said: relayed, dropped under a name, or to the slow path.
"""

import collections
import functools
import inspect
import sys
import unittest

from calls import Calls, PORTS, Sent, difference, realms_conf
from harness import Dataplane, Port
from region import DROPS, imbalance_of


class Run:
    """What the stories of a class share."""

    def __init__(self):
        self.calls = Calls()
        self.arriving = {name: [] for name in PORTS}
        self.declared = collections.Counter()
        self.dp = None
        self._sent = {}

    @property
    def region(self):
        return self.dp.region

    def send(self, port, *frames, drop=None, slow=False):
        """Frames that arrive on a port, and what is to become of each of them: it is relayed, or
        dropped under a name, or goes to the slow path, or is dropped there."""
        self.arriving[port] += [bytes(frame) for frame in frames]
        if drop:
            self.declared[drop] += len(frames)
        if slow:
            self.declared["punted"] += len(frames)
        if not drop and not slow:
            self.declared["relayed_packets"] += len(frames)

    def arrive(self, leg, *payloads, drop=None, **options):
        """Payloads that the party of a leg sends."""
        self.send(leg.realm.port, *[leg.frame(p, **options) for p in payloads], drop=drop)

    def sent(self, port):
        if port not in self._sent:
            self._sent[port] = Sent(self.dp.sent(port))
        return self._sent[port]

    def to(self, leg, remote=None):
        """Frames that left towards the party of a leg, or towards `remote`."""
        return self.sent(leg.realm.port).to(remote or leg.remote)

    def expect(self, leg, *payloads, remote=None, rtcp=False, **options):
        """The party of the leg got exactly these payloads, in this order, in correct frames."""
        to = remote or leg.remote
        if rtcp:
            to = (to[0], to[1] + 1)
        got = self.sent(leg.realm.port).to(to)
        for i, (frame, payload) in enumerate(zip(got, payloads)):
            wrong = difference(frame, leg.expected(payload, remote=remote, rtcp=rtcp, **options))
            if wrong:
                raise AssertionError(f"frame {i} to {to}:\n{wrong}")
        if len(got) != len(payloads):
            raise AssertionError(f"{len(got)} frames to {to}, expected {len(payloads)}")


class Stories(unittest.TestCase):
    """Base of a class of stories."""

    port_options = {}
    media = {}
    dataplane = {}

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        cls.stories = {}
        for name, method in inspect.getmembers(cls, inspect.isgeneratorfunction):
            if name.startswith("test_"):
                cls.stories[name] = method
                setattr(cls, name, _raiser(name, method))

    @classmethod
    def setUpClass(cls):
        cls.run_ = Run()
        cls.errors = {}
        told = {name: story(cls(name), cls.run_) for name, story in cls.stories.items()}
        cls._tell(told)
        ports = [Port(name, [cls.run_.arriving[name]], **cls.port_options) for name in PORTS]
        options = {"media": cls.media, "dataplane": cls.dataplane}
        with Dataplane(ports, realms_conf(), **options) as dp:
            cls.run_.dp = dp
            cls.run_.calls.install(dp.region)
            cls.counters = dp.run(*PORTS)
            cls._tell(told)

    @classmethod
    def _tell(cls, told):
        for name, story in list(told.items()):
            try:
                next(story)
            except StopIteration:
                del told[name]
            except Exception:  # it belongs to the test of that name
                cls.errors[name] = sys.exc_info()
                del told[name]

    def test_accounting_is_even(self):
        self.assertEqual(imbalance_of(self.counters), 0)

    def test_every_frame_went_where_its_story_said(self):
        got = {name: self.counters[name] for name in ["relayed_packets", "punted", *DROPS]}
        want = {name: self.run_.declared[name] for name in got}
        self.assertEqual(
            {name: n for name, n in got.items() if n != want[name]},
            {name: n for name, n in want.items() if n != got[name]},
        )


def _raiser(name, story):
    @functools.wraps(story)
    def test(self):
        if name in self.errors:
            _, error, trace = self.errors[name]
            raise error.with_traceback(trace)

    # functools.wraps would make it look like a generator function
    del test.__wrapped__
    return test
