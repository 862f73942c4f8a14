# SPDX-License-Identifier: BSD-2-Clause
"""Calls as recordings: what parties say as RTP, and files of it as a relay writes them."""
import ipaddress
import os
import random
import struct
import subprocess
import tempfile
import unittest
import warnings
import wave

with warnings.catch_warnings():
    warnings.simplefilter('ignore', DeprecationWarning)
    import audioop

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.abspath(os.environ.get('BUILD', os.path.join(HERE, '../../build')))
PCMU, GSM, PCMA, G722, CN, G729, EVENT = 0, 3, 8, 9, 13, 18, 101
NOON = 1767268800  # of some day
RATE = 8000
SAMPLE = 2  # bytes
TO_PCM = {PCMU: audioop.ulaw2lin, PCMA: audioop.alaw2lin}


def silence(seconds):
    return bytes(round(seconds * RATE) * SAMPLE)


def noise(seconds, seed=1):
    """As many bytes as there are samples: every code of G.711 is a sound."""
    return random.Random(seed).randbytes(round(seconds * RATE))


def pcm(law, payload_type=PCMU):
    return TO_PCM[payload_type](law, SAMPLE)


def mean(left, right):
    """Of two sounds of one length, rounded towards zero."""
    pairs = zip(samples(left), samples(right))
    return struct.pack('<%dh' % (len(left) // SAMPLE), *(int((a + b) / 2) for a, b in pairs))


def samples(sound):
    return struct.unpack('<%dh' % (len(sound) // SAMPLE), sound)


class Speaker:
    """Makes packets, as (Unix time, datagram), of what one party says. Sequence number and
    timestamp wrap round soon."""

    def __init__(self, ssrc=0x11223344, at=0.0, payload_type=PCMU):
        self.ssrc = ssrc
        self.at = NOON + at
        self.payload_type = payload_type
        self.seq = 0xfff8
        self.timestamp = 0xffffff00

    def packet(self, payload, ticks=None, marker=False, payload_type=None, head=b''):
        """One packet; 20 ms pass unless `ticks` of 8,000 Hz are given."""
        ticks = 160 if ticks is None else ticks
        kind = self.payload_type if payload_type is None else payload_type
        first = head[0] if head else 0x80
        made = (self.at, struct.pack('>BBHII', first, kind | marker << 7, self.seq & 0xffff,
                                     self.timestamp & 0xffffffff, self.ssrc) + head[1:] + payload)
        self.seq += 1
        self.pause(ticks / RATE)
        return made

    def pause(self, seconds, counted=True):
        self.at += seconds
        if counted:
            self.timestamp += round(seconds * RATE)

    def say(self, law, size=160):
        pieces = [law[i:i + size] for i in range(0, len(law), size)]
        return [self.packet(piece, len(piece)) for piece in pieces]


def adhoc(path, packets, source=('198.18.0.2', 4000)):
    """As rtpproxy writes them: family, port, address, time, length, datagram."""
    address = ipaddress.ip_address(source[0])
    family = 2 if address.version == 4 else 10
    with open(path, 'wb') as out:
        for at, datagram in packets:
            out.write(struct.pack('<H', family) + struct.pack('>H', source[1]))
            out.write(address.packed.ljust(16, b'\0') + struct.pack('<dH', at, len(datagram)))
            out.write(datagram)
    return path


class Sandbox(unittest.TestCase):
    """A folder, and the tools run in it."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def run_tool(self, *words, status=0):
        """Its output and its complaints."""
        run = subprocess.run([os.path.join(BUILD, words[0]), *words[1:]], cwd=self.folder,
                             capture_output=True, text=True, check=False)
        self.assertEqual(run.returncode, status, run.stdout + run.stderr)
        return run.stdout, run.stderr

    def write(self, name, content):
        with open(self.path(name), 'wb') as out:
            out.write(content)
        return self.path(name)

    def read(self, name):
        with open(self.path(name), 'rb') as file:
            return file.read()

    def sound(self, name, n_channels=1):
        """The samples of each channel of a WAV file."""
        with wave.open(self.path(name)) as file:
            self.assertEqual(file.getparams()[:3], (n_channels, SAMPLE, RATE))
            whole = file.readframes(file.getnframes())
        if n_channels == 1:
            return whole
        return audioop.tomono(whole, SAMPLE, 1, 0), audioop.tomono(whole, SAMPLE, 0, 1)
