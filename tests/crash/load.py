# SPDX-License-Identifier: BSD-2-Clause
"""A load of calls on a relay, told to a model, and the comparison of both.

Every command of the protocol that the model knows, at random or one by one; media of all calls runs
all the time. `trouble` is true while the dataplane may be away: only then may a command fail.
"""

import collections
import time

from calls import Call
from controller import Controller
from loop import Loop
from model import Mismatch, Model

COUNTERS = ("nsess_created", "nsess_destroyed", "nsess_complete", "nsess_timeout", "npkts_rcvd",
            "npkts_relayed", "npkts_discard", "ncmds_rcvd", "ncmds_succd", "ncmds_errs",
            "ncmds_repld", "rtpa_nsent", "rtpa_nrcvd")
BURST = 64  # packets that a killed dataplane may have sent without counting them
N_UNDER_WAY = 4  # commands at a time
N_QUIET = 4  # calls that nothing happens to: their media must never stop


class Fault(AssertionError):
    """Relay and model disagree."""


class Load:
    def __init__(self, relay, rng, n_calls=16):
        self.relay, self.rng, self.n_calls = relay, rng, n_calls
        self.loop = Loop()
        self.model = Model()
        names = relay.names
        sockets = [s for s in names["LAB_SOCKETS"].split() if s.startswith("udp")]
        self.controller = Controller(self.loop, names["LAB_NS_CALLER"], sockets, rng)
        self.hosts = {
            party: [(names[f"LAB_NS_{party}"], host) for family in "46"
                    for host in names[f"LAB_{party}{family}"].split()]
            for party in ("CALLER", "CALLEE")}
        self.calls = {}  # number -> Call
        self.deleted = collections.deque(maxlen=32)  # D commands that had their effect
        self.n_calls_made = 0
        self.n_busy = 0
        self.n_done = 0  # commands with an outcome
        self.n_failed_new = 0
        self.n_failed = collections.Counter()
        self.n_dataplane_deaths = 0
        self.trouble = True  # until the programs are up
        self.n_troubles = 0
        self.counters = dict.fromkeys(COUNTERS, 0)
        self.stats = {}
        self.is_random = False
        # Under `compat` a packet from the old address that is late takes the leg back for good, so
        # the random load moves nobody there.
        self.may_move = True
        self.loop.every_turn += [self.controller.tick, self._tick]

    def _tick(self):
        self.relay.tick()
        if self.relay.n_dataplane_deaths != self.n_dataplane_deaths:
            self.n_dataplane_deaths = self.relay.n_dataplane_deaths
            self.enter_trouble()
        now = time.monotonic()
        for call in self.calls.values():
            call.tick(now)
        if self.is_random and self.n_busy < N_UNDER_WAY:
            self._random_command()

    def enter_trouble(self):
        """The dataplane died, or is about to: packets and commands may be lost."""
        self.trouble = True
        self.n_troubles += 1
        for call in self.calls.values():
            call.half_told |= call.busy
            call.excuse()

    def leave_trouble(self):
        """Wait until the dataplane is back in the eyes of control."""
        self.loop.until(self.relay.dataplane_runs, "the dataplane did not come back")
        proved = []
        while not proved:
            self._prove(proved)
            self.loop.until(lambda: not self.n_busy_proof, "no outcome")
        self.trouble = False
        for call in self.calls.values():
            if call.half_told:
                call.half_told = False
                call.settle()

    def _prove(self, proved):
        """A call is made and deleted; it fails while control does not see the dataplane."""
        self.n_busy_proof = 1
        call = self.new_call()

        def deleted(_done):
            self.n_busy_proof = 0

        def made(done):
            if done:
                proved.append(call)
                self.delete(call, then=deleted)
            else:
                self.n_busy_proof = 0

        self.make(call, then=made)

    def n_failures(self):
        return sum(self.n_failed.values())

    # ---- one command

    def _tell(self, call, text, then, disturbs=True):
        """Send a command about a call; then(had_effect) follows its outcome."""
        n_troubles, trouble, start_s = self.n_troubles, self.trouble, time.monotonic()
        self.n_busy += 1
        if call is not None:
            call.busy = True
            if disturbs:
                call.excuse()
        self.model.begin(text)

        def done(reply):
            self.n_busy -= 1
            self.n_done += 1
            excused = trouble or self.trouble or n_troubles != self.n_troubles
            try:
                had_effect = self.model.apply(text, reply, excused)
            except Mismatch as err:
                raise Mismatch(f"{err}, after {time.monotonic() - start_s:.3f} s") from None
            if call is not None:
                call.busy = False
                if disturbs:
                    call.excuse()
            if reply in ("E71", "E72"):
                self.n_failed[reply] += 1
            then(had_effect, reply)
            if call is not None and disturbs:
                call.half_told |= had_effect and self.trouble
                call.settle()

        self.controller.ask(text, done)

    def new_call(self):
        self.n_calls_made += 1
        number = self.n_calls_made
        ends = [self.rng.choice(self.hosts[party]) for party in ("CALLER", "CALLEE")]
        call = Call(self.loop, number, f"c{number}.{self.controller.prefix[:8]}", ends)
        self.calls[number] = call
        return call

    def _drop_call(self, call):
        call.close()
        del self.calls[call.number]

    def _tell_port(self, call, text, told, then, party=None, disturbs=True):
        """A U or L: the reply's port is told to one party; the other one may be moving."""
        def done(had_effect, _reply):
            if party is not None:
                party.finish_move(had_effect)
            if had_effect:
                session = self.model.sessions[call.call_id]
                told.told(session.local[0 if told is call.callee else 1])
            then(had_effect)

        self._tell(call, text, done, disturbs)

    def make(self, call, then=lambda done: None):
        def done(had_effect):
            if not had_effect:
                self.n_failed_new += 1
                self._drop_call(call)
            then(had_effect)

        self._tell_port(call, call.offer(call.caller, tags=call.from_tag), call.callee, done)

    def answer(self, call, then=lambda done: None):
        self._tell_port(call, call.answer(call.callee), call.caller, then)

    def move(self, call, party, verb, then=lambda done: None):
        """A re-INVITE: one party has another address from now on."""
        port = party.prepare_move()
        text = call.offer(party, port) if verb == "U" else call.answer(party, port)
        self._tell_port(call, text, call.parties[1 - party.index], then, party)

    def new_port(self, call, party, verb, then=lambda done: None):
        say = call.offer if verb == "U" else call.answer
        self._tell_port(call, say(party, flags="n"), call.parties[1 - party.index], then)

    def say_again(self, call, party, verb, then=lambda done: None):
        """A U or L that changes nothing, and must not disturb the media."""
        say = call.offer if verb == "U" else call.answer
        self._tell_port(call, say(party), call.parties[1 - party.index], then, disturbs=False)

    def delete(self, call, tags=None, then=lambda done: None):
        text = f"D {call.call_id} {tags or call.tags}"

        def done(had_effect, _reply):
            self.deleted.append(text)
            self._drop_call(call)
            then(had_effect)

        self._tell(call, text, done)

    def query(self, call, then=lambda done: None):
        def done(had_effect, reply):
            self._compare_query(call, [int(word) for word in reply.split()])
            then(had_effect)

        self._tell(call, f"Q {call.call_id} {call.tags}", done, disturbs=False)

    @staticmethod
    def _compare_query(call, figures):
        before = call.query or [0] * 5
        if any(now < old for now, old in zip(figures[1:], before[1:])):
            raise Fault(f"Q of {call.call_id} went back from {before} to {figures}")
        call.query = figures

    def say_unknown(self, text, then=lambda done: None):
        self._tell(None, text, lambda had_effect, _reply: then(had_effect))

    # ---- commands at random

    def _random_command(self):
        free = [c for c in self.calls.values() if not c.busy]
        roll = self.rng.random()
        if not free or (len(self.calls) < self.n_calls and roll < 0.25):
            if len(self.calls) < self.n_calls:
                call = self.new_call()
                call.is_quiet = sum(c.is_quiet for c in self.calls.values()) < N_QUIET
                self.make(call)
            return
        if roll < 0.3:
            self._random_miss()
            return
        call = self.rng.choice(free)
        if call.caller.relay is None:
            self._random_half_call(call)
        else:
            self._random_whole_call(call)

    def _random_miss(self):
        if self.deleted and self.rng.random() < 0.7:
            self.say_unknown(self.rng.choice(self.deleted))
        else:
            self.say_unknown(f"L never{self.rng.getrandbits(32)} 198.51.100.1 4000 f t")

    def _random_half_call(self, call):
        roll = self.rng.random()
        if roll < 0.6:
            self.answer(call)
        elif roll < 0.7:
            self._tell_port(call, call.offer(call.callee), call.caller, lambda done: None)
        elif roll < 0.8:
            self.say_again(call, call.caller, "U")
        elif roll < 0.9 and self.may_move:
            self.move(call, call.caller, "U")
        else:
            self.delete(call, tags=call.from_tag)

    def _random_whole_call(self, call):
        roll = self.rng.random()
        party = self.rng.choice(call.parties)
        verb = self.rng.choice("UL")
        if call.is_quiet:
            roll *= 0.4
        if roll < 0.2:
            self.say_again(call, party, verb)
        elif roll < 0.4:
            self.query(call)
        elif roll < 0.65 and self.may_move:
            self.move(call, party, verb)
        elif roll < 0.85:
            self.new_port(call, party, verb)
        else:
            self.delete(call, self.rng.choice((call.tags, call.reversed_tags, call.from_tag)))

    # ---- asking and comparing

    def ask(self, text):
        """A command outside the model; its reply."""
        replies = []
        self.controller.ask(text, replies.append)
        self.loop.until(lambda: replies, f"no reply to '{text}'")
        return replies[0]

    def settle(self):
        """Every command and every repeated datagram has its outcome."""
        was_random, self.is_random = self.is_random, False
        self.loop.until(self.controller.is_quiet, lambda: "no reply to " + ", ".join(
            f"'{sent.text}' ({sent.n_sent} times)" for sent in self.controller.waiting.values()))
        self.is_random = was_random

    def check_counters(self):
        """G and the dataplane's own counters never go back."""
        values = [int(word) for word in self.ask("G " + " ".join(COUNTERS)).split()]
        for name, value in zip(COUNTERS, values):
            if value < self.counters[name]:
                raise Fault(f"G {name} went back from {self.counters[name]} to {value}")
            self.counters[name] = value
        self._check_stats()

    def _check_stats(self):
        stats = self.relay.counters()
        for name, value in stats.items():
            if value < self.stats.get(name, 0):
                raise Fault(f"{name} went back from {self.stats[name]} to {value}")
        self.stats = stats

    def check_media(self):
        """No promised packet is lost; see Direction.missing."""
        marks = [(d, d.next_index) for c in self.calls.values() if not c.busy
                 for d in c.directions]

        def lost():
            return [f"{d}: {d.lost(mark)}" for d, mark in marks
                    if not d.call.busy and d.lost(mark)]

        self.loop.until(lambda: not lost(), lambda: "packets lost: " + "; ".join(lost()), 10)

    def check_relayed(self):
        """Every complete call carries RTP and RTCP both ways, packets sent from now on."""
        marks = [(d, d.next_index) for c in self.calls.values()
                 if self.model.sessions[c.call_id].is_complete for d in c.directions]

        def silent():
            return [f"{d} from {mark}, newest that arrived {d.arrived - 1}"
                    for d, mark in marks if d.arrived <= mark]

        self.loop.until(lambda: not silent(), lambda: "not relayed: " + "; ".join(silent()) +
                        self._describe(d.call for d, mark in marks if d.arrived <= mark), 20)

    def _describe(self, calls):
        """What the dataplane has of some calls, to be read after a failure."""
        ports = {(host, port + i) for call in calls for i in (0, 1)
                 for host, port in self.model.sessions[call.call_id].local}
        flows = self.relay.flow_details()
        return "".join(f"\n{flows.get(local, f'{local} missing')}" for local in sorted(ports))

    def check_everything(self):
        """The relay is what the model says. No command is under way."""
        self.settle()
        self._check_sessions()
        self._check_flows()
        self.check_relayed()
        for call in list(self.calls.values()):
            self.query(call)
        self.settle()
        self.check_counters()
        self._check_created()
        self._check_commands()
        self._check_relayed_counts()

    def _check_sessions(self):
        want = set(self.model.sessions)

        def difference():
            got = self.relay.sessions()
            return (f"calls left over: {[got[i] for i in sorted(set(got) - want)]}, "
                    f"missing: {sorted(want - set(got))}")

        self.loop.until(lambda: set(self.relay.sessions()) == want, difference, 10)
        active = f"active sessions: {len(want)}"
        info = self.ask("I").split("\n")
        if active not in info:
            raise Fault(f"I says {info}, the model '{active}'")

    def _check_flows(self):
        """Exactly the model's flows, each whole: neither half written nor waiting for control."""
        want = self.model.flows()

        def faults():
            got = self.relay.flows()
            texts = [f"{local} left over" for local in sorted(set(got) - want)]
            texts += [f"{local} missing" for local in sorted(want - set(got))]
            return texts + [f"{local} {state}" for local, state in sorted(got.items())
                            if local in want and state in ("busy", "torn", "deleted")]

        self.loop.until(lambda: not faults(), lambda: "flows: " + ", ".join(faults()), 10)

    def _check_created(self):
        """Nothing was made or ended twice; what failed may have been made for a moment."""
        model, got = self.model, self.counters
        spare = self.n_failed_new
        if not (model.n_created <= got["nsess_created"] <= model.n_created + spare and
                got["nsess_created"] - got["nsess_destroyed"] == len(model.sessions)):
            raise Fault(f"G says {got}, the model: {model.n_created} made, "
                        f"{model.n_destroyed} ended, {spare} failed")
        if got["nsess_timeout"] or got["nsess_complete"] < model.n_complete:
            raise Fault(f"G says {got}, the model: {model.n_complete} complete, none timed out")

    def _check_commands(self):
        """None was forgotten; none was run again but what arrived again."""
        sent = self.controller.n_commands
        again = self.controller.n_retransmits + self.controller.n_repeats
        got = self.counters["ncmds_rcvd"]
        if not sent <= got <= sent + again:
            raise Fault(f"G says {got} commands, {sent} were sent and {again} sent again")

    def _check_relayed_counts(self):
        """Q knows of every packet that arrived, but for those of a burst that died uncounted."""
        spare = BURST * self.n_dataplane_deaths
        for call in self.calls.values():
            arrived = sum(p.directions[0].n_arrived for p in call.parties)
            if call.query[3] + spare < arrived:
                raise Fault(f"Q of {call.call_id} says {call.query}, {arrived} packets arrived")
