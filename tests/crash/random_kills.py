#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Kills either program at random moments of a random load, and compares what is left with a model.

Topology: tools/lab, caller - relay - callee; this process is the controller and all parties.
Story: calls come, move, get other ports and go, with media all the time. Again and again the
dataplane, control or both die by kill -9, sometimes once more while they recover. After each
recovery media of every undisturbed call flows and no counter has gone back; at the end the calls,
the flows and the counters are those of a model that knows only what the controller was told.
Not covered: a death of the machine, and of the supervisor, which is the service manager's affair.

SEED repeats a run, KILLS says how many. The seed also chooses the learning mode and the number of
workers, unless LEARNING and WORKERS do.
"""

import os
import random
import time
import unittest

from load import Load
from relay import Relay, logs_on_failure

KILLS = int(os.environ.get("KILLS", "200"))
SEED = int(os.environ.get("SEED", str(random.SystemRandom().getrandbits(32))))
LEARNING = os.environ.get("LEARNING")
WORKERS = os.environ.get("WORKERS")
AGAIN = 0.2  # how often a recovery is hit by another kill
LATE = 0.2  # how often the dataplane is started again only after commands failed without it
CHECK_EVERY = 20  # kills between full comparisons
VICTIMS = (("dataplane",), ("worker",), ("dataplane", "worker"))
WEIGHTS = (5, 5, 2)


class RandomKillsTest(unittest.TestCase):
    def setUp(self):
        self.rng = random.Random(SEED)
        learning = LEARNING or self.rng.choice(("safe", "compat"))
        workers = WORKERS or self.rng.choice("12")
        print(f"SEED={SEED} KILLS={KILLS} LEARNING={learning} WORKERS={workers}", flush=True)
        self.relay = Relay()
        self.addCleanup(self.relay.down)
        self.relay.up("--ports", "20000-20499", "--media-ttl", "3600",
                      "--learning", learning, "--workers", workers)
        for role in ("dataplane", "control"):
            self.relay.start(role)
        self.load = Load(self.relay, self.rng)
        self.load.may_move = learning == "safe"
        self.n_kills = 0

    def kill(self, victims):
        for victim in victims:
            if self.relay.kill(victim):
                self.n_kills += 1
            if victim == "dataplane":
                self.load.enter_trouble()

    def run_load(self, n_commands):
        done = self.load.n_done + n_commands
        self.load.loop.until(lambda: self.load.n_done >= done, "the load stands still")

    def disturb_recovery(self, victims):
        """Kill again a random, short time later, whether or not anything recovered by then."""
        until = time.monotonic() + self.rng.uniform(0, 0.4)
        self.load.loop.until(lambda: time.monotonic() >= until, "")
        self.kill(victims)

    def let_commands_fail(self):
        """While nobody starts a dataplane, commands must not hang."""
        if self.load.trouble and not self.relay.keep_dataplane:
            failed = self.load.n_failures() + 3
            self.load.loop.until(lambda: self.load.n_failures() >= failed,
                                 "commands hang without a dataplane")
        self.relay.keep_dataplane = True

    def round(self):
        victims = self.rng.choices(VICTIMS, WEIGHTS)[0]
        self.run_load(self.rng.randint(1, 25))
        self.load.check_media()
        self.relay.keep_dataplane = self.rng.random() >= LATE
        self.kill(victims)
        self.let_commands_fail()
        while self.rng.random() < AGAIN:
            self.disturb_recovery(self.rng.choices(VICTIMS, WEIGHTS)[0])
        self.load.controller.repeat(3)
        if self.load.trouble:
            self.load.leave_trouble()
        self.load.check_counters()
        self.load.check_media()

    def rounds(self):
        load = self.load
        next_check = CHECK_EVERY
        while self.n_kills < KILLS:
            self.round()
            if self.n_kills >= next_check:
                next_check += CHECK_EVERY
                load.is_random = False
                load.check_everything()
                load.is_random = True
        load.is_random = False

    def test_no_call_is_lost_and_none_left_over(self):
        with logs_on_failure(self.relay):
            self.load.leave_trouble()
            self.load.is_random = True
            self.run_load(60)
            self.rounds()
            self.load.check_everything()
        self.report()
        self.assertEqual(self.load.controller.n_refused, 0, "a command socket was closed")
        self.assertEqual(self.relay.down(), {"dataplane": 0, "control": 0})

    def report(self):
        relay, controller = self.relay, self.load.controller
        print(f"{self.n_kills} kills, {relay.n_dataplane_deaths} deaths of the dataplane and "
              f"{relay.n_worker_deaths} of control; {controller.n_commands} commands, "
              f"{controller.n_retransmits} retransmitted, {controller.n_repeats} repeated, "
              f"{self.load.n_failures()} without a port; "
              f"{self.load.model.n_created} calls")


if __name__ == "__main__":
    unittest.main()
