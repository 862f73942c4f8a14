# SPDX-License-Identifier: BSD-2-Clause
"""Plays one row of vectors.tsv over one transport.

Columns, separated by tabs; a line that begins with # is a comment:
  name       unique
  setup      steps joined with ' ;; '
  command    what the row is about: a command, or an @raw step
  expect     regular expression that matches the whole reply without its line feed
  profile    configuration that the row wants; nothing: main
  framing    regular expression of the framings that it is for (FRAMING of vectors); nothing: all

A step is a command, or "COMMAND => REGEX" to look at its reply too, or one of these:
  @until COMMAND => REGEX     ask until that is the reply
  @cookie TEXT                of the next command (datagrams)
  @sock A                     a port of a party; {A} is its number
  @pair A                     an even one and the next one, A and Ac
  @rtp A PORT [n= seq= ts= step= ssrc= pt= m= len=]   RTP from A to a port of the relay
  @send A PORT HEX            a payload as it is
  @recv A N [len= from=]      exactly N datagrams have come to A
  @prompt NAME PT MS          a prompt {tmp}/NAME.PT of MS milliseconds
  @raw TEXT                   bytes with \\n \\r \\t \\xHH undone, and all that comes back

In all columns but the first:
  {id}              a text of the row's own            {ip} {ip2} {ip3} {ip6}  media addresses
  {rN} {rN+K}       reply to command N, plus K         {tmp}  a folder
  {pN} {pN+K}       first port of reply N, plus K      {pNb}  that of what stands behind its &&
  {aN}              address in reply N                 {X*N}  N times X
  {S-tN}            in a regex: what is left of S seconds that began with command N, or with a step
                    after it, counted in ticks as control does: full seconds of the monotonic
                    clock. When the time may be over, the reply may be E50 as well
Commands may hold the escapes of @raw. The braces of {{ and }} stay.
"""
import os
import re
import time

from daemon import Failure, wait_for
from party import rtp_packet

NS_PER_S = 1000000000
TTL = re.compile(r'\{(\d+)-t(\d+)\}')
FRAME_BYTES_PER_MS = {'0': 8, '8': 8, '9': 8, '18': 1}


def undo_escapes(text):
    return text.encode('latin-1').decode('unicode_escape').encode('latin-1')


def shown(reply):
    return repr(reply if len(reply) < 200 else reply[:200] + '...')


def tick():
    return time.monotonic_ns() // NS_PER_S


class Unexpected(Failure):
    """A step was answered, and not as the row says."""

    def __init__(self, got, expected):
        super().__init__('got %s, expected %s' % (shown(got), expected))
        self.got = got


class Row:
    """One playing of a row. client says and hears; parties may be None for rows without media."""

    def __init__(self, columns, client, values, parties):
        self.name, self.setup, self.command, self.expect = columns[:4]
        self.client = client
        self.values = values
        self.parties = parties
        self.replies = []
        self.begun = []  # tick at which each of these was asked for
        self.ended = 0  # tick at which the last step was over
        self.asked = self.answered = 0  # ticks of the last command
        self.ports = {}
        self.at = ''  # the step that is played
        self.cookie = None

    # ---- text

    def value(self, key):
        if key in self.values:
            return self.values[key]
        if key in self.ports:
            return str(self.ports[key])
        match = re.fullmatch(r'([rpa])(\d+)(b?)(?:\+(\d+))?', key)
        if not match:
            raise Failure('nothing is called {%s}' % key)
        what, number, behind, more = match.groups()
        reply = self.replies[int(number) - 1].rstrip('\n')
        if what == 'r':
            return str(int(reply) + int(more)) if more else reply
        words = reply.split('&&')[1 if behind else 0].split()
        if what == 'a':
            return words[1]
        return str(int(words[0]) + int(more or 0))

    def filled(self, text, quote=str):
        text = text.replace('{{', '\0').replace('}}', '\1')
        text = re.sub(r'\{([A-Za-z][\w+]*)\}', lambda match: quote(self.value(match.group(1))),
                      text)
        text = re.sub(r'\{([^{}*]+)\*(\d+)\}', lambda match: match.group(1) * int(match.group(2)),
                      text)
        return text.replace('\0', '{').replace('\1', '}')

    def filled_command(self, text):
        return undo_escapes(self.filled(text)).decode('latin-1')

    def left(self, seconds, number):
        """Least and most that the last command may have found left of a TTL."""
        return (seconds - (self.answered - self.begun[number - 1]),
                seconds - (self.asked - self.ended))

    def with_ttls(self, regex):
        over = False

        def shown_ttl(match):
            nonlocal over
            least, most = self.left(int(match.group(1)), int(match.group(2)))
            over = over or least < 0
            return '(?:%s)' % '|'.join(str(n) for n in range(max(least, 0), max(most, 0) + 1))

        regex = TTL.sub(shown_ttl, regex)
        return '(?:%s)|E50' % regex if over else regex

    def matches(self, regex, reply):
        regex = self.filled(self.with_ttls(regex), re.escape)
        return reply.endswith('\n') and re.fullmatch(regex, reply[:-1]) is not None

    def check(self, regex, reply):
        if not self.matches(regex, reply):
            raise Unexpected(reply, '/%s/' % self.filled(self.with_ttls(regex), re.escape))

    # ---- steps

    def tell(self, text):
        cookie, self.cookie = self.cookie, None
        self.asked = tick()
        reply = self.client.command(self.filled_command(text), cookie)
        self.answered = tick()
        return reply

    def step(self, text):
        self.at = text
        if text.startswith('@'):
            word, _, rest = text.partition(' ')
            self.STEPS[word](self, rest)
            return
        command, _, regex = text.partition(' => ')
        self.replies.append(self.tell(command))
        self.begun.append(self.asked)
        if regex:
            self.check(regex, self.replies[-1])

    def until(self, rest):
        command, _, regex = rest.partition(' => ')

        def so():
            time.sleep(0.05)  # others ask, too
            return self.matches(regex, self.tell(command))

        wait_for(so, rest)

    def set_cookie(self, rest):
        self.cookie = self.filled(rest) + self.values['id']

    def sock(self, rest):
        self.ports[rest] = self.parties.new_port()

    def pair(self, rest):
        self.sock(rest)
        self.ports[rest + 'c'] = self.ports[rest] + 1

    def send_all(self, source, port, payloads):
        self.parties.settle(self.client.command)  # a port is taken away just after a reply
        for payload in payloads:
            self.parties.send(self.ports[source], int(port), payload)
        self.parties.settle(self.client.command)

    def words(self, rest):
        """Words, and those with an equals sign as numbers."""
        words = self.filled_command(rest).split()
        options = dict(word.split('=', 1) for word in words if '=' in word)
        return ([word for word in words if '=' not in word],
                {key: int(value) for key, value in options.items() if key != 'gap'})

    def rtp(self, rest):
        (source, port), o = self.words(rest)
        self.send_all(source, port, [
            rtp_packet(o.get('m', 0), o.get('pt', 0), o.get('seq', 1) + i,
                       o.get('ts', 0) + i * o.get('step', 160), o.get('ssrc', 1),
                       o.get('len', 160)) for i in range(o.get('n', 1))])

    def send(self, rest):
        (source, port, payload), _ = self.words(rest)
        self.send_all(source, port, [bytes.fromhex(payload)])

    def recv(self, rest):
        (name, n), o = self.words(rest)
        self.parties.settle(self.client.command)
        got = self.parties.take(self.ports[name])
        if len(got) != int(n):
            raise Unexpected('%d datagrams\n' % len(got), rest)
        for source, payload in got:
            if o.get('from', source) != source or o.get('len', len(payload)) != len(payload):
                raise Failure('%d bytes from %d at %s, expected %s' % (
                    len(payload), source, name, rest))

    def prompt(self, rest):
        name, payload_type, ms = rest.split()
        size = int(ms) * FRAME_BYTES_PER_MS[payload_type]
        with open(os.path.join(self.values['tmp'], name + '.' + payload_type), 'wb') as f:
            f.write(b'\xd5' * size)

    STEPS = {'@until': until, '@cookie': set_cookie, '@sock': sock, '@pair': pair, '@rtp': rtp,
             '@send': send, '@recv': recv, '@prompt': prompt}

    def waits(self, at, regex):
        """Does it end at that step, answered so? Else raises Failure."""
        try:
            self.play()
        except Unexpected as e:
            if self.at != at:
                raise
            self.check(regex, e.got)
            return
        raise Failure('it passes')

    def play(self):
        """Raises Failure when the relay is not as the row says."""
        for text in self.setup.split(' ;; '):
            if text:
                self.step(text)
                self.ended = tick()
        self.at = self.command
        if self.command.startswith('@raw '):
            data = self.filled_command(self.command[5:]).encode('latin-1')
            reply = self.client.raw(data).decode('latin-1')
            if not re.fullmatch(self.filled(self.expect, re.escape), reply):
                raise Unexpected(reply, '/%s/' % self.expect)
            return
        self.check(self.expect, self.tell(self.command))


def load(path):
    """Rows as lists of six columns."""
    rows = []
    with open(path, encoding='latin-1') as f:
        for line in f:
            line = line.rstrip('\n')
            if line and not line.startswith('#'):
                rows.append((line.split('\t') + [''] * 6)[:6])
    names = [row[0] for row in rows]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise Failure('rows of one name: ' + ' '.join(sorted(twice)))
    return rows[1:]  # behind the heading
