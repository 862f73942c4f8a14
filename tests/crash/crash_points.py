#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Lets the programs die at every named crash point, and compares what is left with a model.

Topology: tools/lab, caller - relay - callee; this process is the controller and all parties.
Story: calls with media run undisturbed. A scripted call is set up, repeated, moved, given another
port and deleted; at one of these commands a crash point is armed. The program must die right there
by its own SIGKILL, and come back; the command is retransmitted until it has its one outcome; then
the calls, flows, media and counters are those of a model that knows only what the controller was
told. A command that failed because the dataplane was away is given again and must work.
"""

import itertools
import random
import re
import unittest

from load import Load
from relay import TOP, Relay, logs_on_failure

SCRIPT = ("new", "answer", "again", "move", "new_port", "delete")
DEATHS_IN_A_ROW = 3  # of control's worker, before its supervisor is started anew
WHO = {"dataplane": "dataplane", "control": "worker"}

# Crash point -> commands at which it is armed, each with the passes at which it is hit. A U asks
# the dataplane for two flows, an L that makes the call complete for four, a move for two, another
# port for four and the end of two, a D for the end of four.
EVERY_REQUEST = {"new": (1, 2), "answer": (1, 2, 4), "move": (1, 2), "new_port": (1, 4, 6),
                 "delete": (1, 2, 4)}
SOME_REQUESTS = {"new": (2,), "answer": (1, 3), "move": (1,), "new_port": (3, 5), "delete": (2,)}
EVERY_COMMAND = {step: (1,) for step in SCRIPT}
EVERY_PORT = {"new": (1,), "answer": (1,), "new_port": (1,)}
PASSES = {
    "request_taken": EVERY_REQUEST,
    "request_applied": EVERY_REQUEST,
    "request_replied": EVERY_REQUEST,
    "flow_update": {"new": (1,), "answer": (1, 3), "move": (1, 2), "new_port": (1, 4)},
    "adopt_half": {},  # passed by no command, see test_adopt_half
    "reserve_before": EVERY_PORT,
    "reserve_after": EVERY_PORT,
    "commit_before": EVERY_COMMAND,
    "commit_after": EVERY_COMMAND,
    "submit_before": SOME_REQUESTS,
    "submit_after": EVERY_REQUEST,
    "ack_before": EVERY_REQUEST,
    "ack_after": SOME_REQUESTS,
    "reply_before": EVERY_COMMAND,
    "reply_after": EVERY_COMMAND,
}

# Where control is hit while there is no dataplane: a command is undone by a second commit.
ALONE = (("commit_after", 1), ("commit_before", 2), ("commit_after", 2), ("reply_before", 1))


def crash_points():
    """{name: program} of the table in common/crash_point.h."""
    with open(f"{TOP}/common/crash_point.h") as file:
        rows = re.findall(r'^\tX\((\w+), "(dataplane|control): ', file.read(), re.MULTILINE)
    return dict(rows)


def cases(step):
    """(point, pass) of one command, dataplane and control by turns as far as both last."""
    points = crash_points()
    by_program = {program: [(point, count) for point, program_of in points.items()
                            if program_of == program for count in PASSES[point].get(step, ())]
                  for program in WHO}
    pairs = itertools.zip_longest(by_program["dataplane"], by_program["control"])
    return [case for pair in pairs for case in pair if case is not None]


class CrashPointsTest(unittest.TestCase):
    forgotten_deaths = 0

    @classmethod
    def setUpClass(cls):
        cls.relay = Relay("crash")
        cls.addClassCleanup(cls.relay.down)
        cls.relay.up("--ports", "20000-20499", "--media-ttl", "3600")
        for role in ("dataplane", "control"):
            cls.relay.start(role)
        cls.load = Load(cls.relay, random.Random(1))
        with logs_on_failure(cls.relay):
            cls.load.leave_trouble()
            for _ in range(3):
                cls.complete_call()

    @classmethod
    def complete_call(cls):
        call = cls.load.new_call()
        cls.load.make(call)
        cls.load.settle()
        cls.load.answer(call)
        cls.load.settle()
        return call

    def test_the_table_is_complete(self):
        """Every point of the header is hit; all but adopt_half by some command."""
        self.assertEqual(sorted(PASSES), sorted(crash_points()))
        hit = {point for step in SCRIPT for point, _count in cases(step)}
        self.assertEqual(hit, set(PASSES) - {"adopt_half"})

    def step(self, name, call):
        """Give one command of the script; True when it had its effect."""
        load = self.load
        actions = {
            "new": lambda: load.make(call, then=outcome.append),
            "answer": lambda: load.answer(call, then=outcome.append),
            "again": lambda: load.say_again(call, call.caller, "U", then=outcome.append),
            "move": lambda: load.move(call, call.caller, "U", then=outcome.append),
            "new_port": lambda: load.new_port(call, call.callee, "L", then=outcome.append),
            "delete": lambda: load.delete(call, then=outcome.append),
        }
        outcome = []
        actions[name]()
        load.loop.until(lambda: outcome, f"no outcome of '{name}'")
        return outcome[0]

    def step_until_done(self, name, call):
        while not self.step(name, call):
            if name == "new":
                call = self.load.new_call()
        return call

    def hit(self, point, count, name, call):
        """One command with a death on its way; the call that it is about then."""
        who = WHO[crash_points()[point]]
        deaths = self.n_deaths(who)
        if who == "dataplane":
            self.load.enter_trouble()
        self.relay.expect_death(who)
        self.relay.arm(point, count)
        done = self.step(name, call)
        self.load.loop.until(lambda: not self.relay.is_armed(),
                             f"'{name}' never passed {point} {count} times")
        self.load.loop.until(lambda: self.n_deaths(who) == deaths + 1, f"{who} survived {point}")
        self.relay.keep_dataplane = True
        self.recover()
        if not done:
            call = self.step_until_done(name, self.load.new_call() if name == "new" else call)
        return call

    def n_deaths(self, who):
        return self.relay.n_dataplane_deaths if who == "dataplane" else self.relay.n_worker_deaths

    def recover(self):
        if self.load.trouble:
            self.load.leave_trouble()
        self.load.controller.repeat(5)
        self.load.check_everything()
        self.load.check_media()
        self.forget_deaths()

    def forget_deaths(self):
        """The supervisor waits before it starts a worker that died often; a new one does not."""
        deaths = self.relay.n_worker_deaths
        if deaths >= self.forgotten_deaths + DEATHS_IN_A_ROW:
            type(self).forgotten_deaths = deaths
            self.relay.restart_control()

    def run_script(self, point, armed_step, count):
        call = self.load.new_call()
        for name in SCRIPT:
            if name == armed_step:
                call = self.hit(point, count, name, call)
            else:
                call = self.step_until_done(name, call)

    def check(self, armed_step):
        for point, count in cases(armed_step):
            with self.subTest(point=point, command=armed_step, count=count):
                with logs_on_failure(self.relay):
                    self.run_script(point, armed_step, count)

    def test_adopt_half(self):
        """Killed, and killed again when half of its old flows were looked at."""
        with logs_on_failure(self.relay):
            deaths = self.relay.n_dataplane_deaths
            self.load.enter_trouble()
            self.relay.arm("adopt_half")
            self.relay.kill("dataplane")
            self.relay.expect_death("dataplane")
            self.load.loop.until(lambda: self.relay.n_dataplane_deaths == deaths + 2,
                                 "the dataplane survived adopt_half")
            self.assertFalse(self.relay.is_armed())
            self.recover()

    def run_without_dataplane(self, armed_step, point, count):
        """Nobody starts the dataplane before the command has its outcome."""
        call = self.load.new_call()
        for name in SCRIPT:
            if name == armed_step:
                self.relay.keep_dataplane = False
                self.relay.kill("dataplane")
                self.load.loop.until(self.relay.dataplane_is_gone, "the dataplane survived")
                call = self.hit(point, count, name, call)
            else:
                call = self.step_until_done(name, call)

    def test_without_dataplane(self):
        for armed_step, (point, count) in itertools.product(SCRIPT, ALONE):
            with self.subTest(command=armed_step, point=point, count=count):
                with logs_on_failure(self.relay):
                    self.run_without_dataplane(armed_step, point, count)

    def test_supervisor(self):
        """The parent of control is killed: the service manager starts both again, sockets anew."""
        with logs_on_failure(self.relay):
            self.assertTrue(self.relay.kill("control"))
            call = self.step_until_done("new", self.load.new_call())
            self.step_until_done("delete", call)
            self.recover()


def add_tests():
    """One test method for each command of the script."""
    for step in SCRIPT:
        setattr(CrashPointsTest, f"test_{step}", lambda self, step=step: self.check(step))


add_tests()

if __name__ == "__main__":
    unittest.main(failfast=True)  # what follows a fault tells nothing
