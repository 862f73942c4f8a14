# SPDX-License-Identifier: BSD-2-Clause
"""What a controller knows of its calls: the protocol's session rules over commands and replies.

A pure class: it is told every command with the reply that came back, refuses a reply that the
protocol does not permit, and says which ports and calls must exist now. It knows what the crash
tests send: one session a Call-ID and plain tags, U and L with n 6 r l, D, Q, X.

A relay whose dataplane is away may answer E72 or E71; the command then changed nothing. The caller
says with `trouble` whether that is permitted.

A command that was sent and not answered may have run or not, so a port that it gives up may be seen
in the hands of another call already: `begin` says that such a command is under way.
"""

import re

CALLEE, CALLER = 0, 1  # legs by the party they receive from
NO_PORT = {"new": "E72", "leg": "E71"}
MODIFIERS = re.compile(r"([n6]|[rl]\[[0-9a-fA-F:]+\]|[rl][0-9.]+|l\{[^}]+\})")
TUPLE = re.compile(r"([0-9]+) ([0-9a-fA-F:.]+)( 6)?")
HOLD = ("0.0.0.0", "::")


class Mismatch(AssertionError):
    """A reply that the protocol does not permit after what was said before."""


class Command:
    """A command's text, cut up."""

    def __init__(self, text):
        words = text.split()
        self.text = text
        self.verb = words[0][0].upper()
        self.modifiers = MODIFIERS.findall(words[0][1:])
        if "".join(self.modifiers) != words[0][1:]:
            raise ValueError(f"'{text}': modifiers the model does not know")
        self.call_id = words[1] if len(words) > 1 else None
        self.remote = None
        if self.verb in "UL":
            self.remote = (words[2], int(words[3]))
        tags = words[4 if self.verb in "UL" else 2:]
        self.from_tag = tags[0] if tags else None
        self.to_tag = tags[1] if len(tags) > 1 else None

    @property
    def wants_new_port(self):
        return "n" in self.modifiers


class Session:
    """One call: the owner's tag; by leg, the relay's local address and the party's remote one."""

    def __init__(self, call_id, from_tag):
        self.call_id = call_id
        self.from_tag = from_tag
        self.local = [None, None]  # (host, RTP port)
        self.remote = [None, None]  # as signalled last

    @property
    def is_complete(self):
        return None not in self.local


class Model:
    """All calls of one relay."""

    def __init__(self):
        self.sessions = {}  # by Call-ID
        self.users = {}  # (host, RTP port) -> Call-ID
        self.giving_up = set()  # Call-IDs with a command under way that gives ports up
        self.n_created = 0
        self.n_destroyed = 0
        self.n_complete = 0

    def begin(self, text):
        """A command is on its way; at most one a call at a time."""
        command = Command(text)
        if command.verb == "D" or command.wants_new_port:
            self.giving_up.add(command.call_id)

    def apply(self, text, reply, trouble=False):
        """Take one command and its reply; raises Mismatch. True when the command had its effect."""
        command = Command(text)
        self.giving_up.discard(command.call_id)
        rule = {"U": self._update, "L": self._lookup, "D": self._delete, "Q": self._query,
                "X": self._delete_all}[command.verb]
        return rule(command, reply, trouble)

    def flows(self):
        """Every (host, port) that the dataplane must hold, RTP and RTCP."""
        return {(host, port + i) for host, port in self.users for i in (0, 1)}

    def _find(self, command):
        """(session, the leg that receives from the party of the from-tag)."""
        session = self.sessions.get(command.call_id)
        if session is None:
            return None, None
        if command.from_tag == session.from_tag:
            return session, CALLER
        if command.to_tag == session.from_tag:
            return session, CALLEE
        return None, None

    def _update(self, command, reply, trouble):
        session, party = self._find(command)
        if session is not None:
            return self._set_leg(session, 1 - party, party, command, reply, trouble)
        if command.call_id in self.sessions:
            raise ValueError(f"'{command.text}' makes a second session of its Call-ID")
        if trouble and reply == NO_PORT["new"]:
            return False
        session = Session(command.call_id, command.from_tag)
        self._take(session, CALLEE, self._tuple(command, reply), command)
        self.sessions[command.call_id] = session
        self.n_created += 1
        self._prefill(session, CALLER, command)
        return True

    def _lookup(self, command, reply, trouble):
        session, party = self._find(command)
        if session is None:
            return self._expect("0", command, reply)
        return self._set_leg(session, party, 1 - party, command, reply, trouble)

    def _set_leg(self, session, leg, other, command, reply, trouble):
        """The port of one leg is asked for, and the party of the other one tells its address."""
        old = session.local[leg]
        if trouble and reply == NO_PORT["leg"]:
            self._still_has(session, old, command)
            return False
        got = self._tuple(command, reply)
        if old is None or command.wants_new_port:
            self._take(session, leg, got, command)
            if old is None:
                self.n_complete += 1
            else:
                self._give_up(session, old)
        elif got != old:
            raise Mismatch(f"'{command.text}' -> '{reply}': the leg's port is {old}")
        self._prefill(session, other, command)
        return True

    @staticmethod
    def _prefill(session, leg, command):
        if command.remote[0] not in HOLD:
            session.remote[leg] = command.remote

    def _take(self, session, leg, local, command):
        user = self.users.get(local)
        if user is not None and user not in self.giving_up:
            raise Mismatch(f"'{command.text}': {local} belongs to {user}")
        if local[1] % 2:
            raise Mismatch(f"'{command.text}': RTP port {local[1]} is odd")
        self.users[local] = session.call_id
        session.local[leg] = local

    def _give_up(self, session, local):
        if self.users.get(local) == session.call_id:
            del self.users[local]

    def _still_has(self, session, local, command):
        if local is not None and self.users.get(local) != session.call_id:
            raise Mismatch(f"'{command.text}' failed, and {local} belongs to {self.users[local]}")

    def _delete(self, command, reply, _trouble):
        session, _party = self._find(command)
        if session is None:
            return self._expect("E50", command, reply)
        self._expect("0", command, reply)
        self._drop(session)
        return True

    def _delete_all(self, command, reply, _trouble):
        self._expect("0", command, reply)
        for session in list(self.sessions.values()):
            self._drop(session)
        return True

    def _drop(self, session):
        del self.sessions[session.call_id]
        for local in filter(None, session.local):
            self._give_up(session, local)
        self.n_destroyed += 1

    def _query(self, command, reply, _trouble):
        session, _party = self._find(command)
        if session is None:
            return self._expect("E50", command, reply)
        if not re.fullmatch(r"[0-9]+( [0-9.]+)*", reply):
            raise Mismatch(f"'{command.text}' -> '{reply}': expected figures")
        return True

    @staticmethod
    def _expect(want, command, reply):
        if reply != want:
            raise Mismatch(f"'{command.text}' -> '{reply}': expected '{want}'")
        return False

    @staticmethod
    def _tuple(command, reply):
        match = TUPLE.fullmatch(reply)
        if match is None:
            raise Mismatch(f"'{command.text}' -> '{reply}': expected a port and an address")
        if (":" in match[2]) != bool(match[3]):
            raise Mismatch(f"'{command.text}' -> '{reply}': family flag and address disagree")
        return match[2], int(match[1])
