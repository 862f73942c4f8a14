# SPDX-License-Identifier: BSD-2-Clause
"""A real rtprelayd without a dataplane, in a folder of its own, and every way to talk to it."""
import contextlib
import fcntl
import json
import os
import random
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, '../../tools'))
from rtpp_shm import ShmSocket  # noqa: E402
BUILD = os.path.abspath(os.environ.get('BUILD', os.path.join(HERE, '../../build')))
PROGRAM = os.path.join(BUILD, 'rtprelayd')
DATAPLANE = os.path.join(BUILD, 'rtprelay-dp')
RRCTL = os.path.join(BUILD, 'rrctl')
PATIENCE = 20  # seconds until something that never comes is a failure

CONFIG = '''
instance = {{ {instance} }};
{dataplane}
ports = ( {{ name = "port0"; device = "{device}"; }} );
realms = ( {realms} );
media = {{ {media} }};
{bridge}
control = {{
	sockets = [ "unix:{dir}/unix.sock", "cunix:{dir}/cunix.sock", "shm:{dir}/shm.sock",
		"udp:127.0.0.1:{port}", "udp6:::1:{port}", "tcp:127.0.0.1:{port}",
		"tcp6:::1:{port}"{more} ];
	store_dir = "{dir}/store";
	store_mb = 16;
	ack_timeout_ms = {ack_timeout_ms};
	notify = [ {notify} ];
	{control}
}};
'''
DATAPLANE_CONFIG = '''
dataplane = { cores = [ 0 ]; main_core = 0; poll = "adaptive"; hugepages = "off";
	memory_mb = 64; mbufs = 4096; };
'''
BRIDGE = 'bridge = { internal = "lab1"; external = "lab2"; };'
IPV4 = 'ipv4 = {{ prefix = "198.18.{n}.0/24"; pool = [ "198.18.{n}.10" ]; }};'
IPV6 = 'ipv6 = {{ prefix = "2001:db8:0:{n}::/64"; pool = [ "2001:db8:0:{n}::10" ]; }};'
MESSAGES = ('udp', 'udp6', 'shm')  # a cookie and a command each
LINES = ('cunix', 'tcp', 'tcp6', 'systemd')  # a command a line on a connection that stays


class Failure(Exception):
    pass


def realm(name, number, families):
    nets = ' '.join(text.format(n=number) for text in families)
    return '{ name = "%s"; port = "port0"; %s }' % (name, nets)


INET = {'udp': (socket.AF_INET, socket.SOCK_DGRAM, '127.0.0.1'),
        'udp6': (socket.AF_INET6, socket.SOCK_DGRAM, '::1'),
        'tcp': (socket.AF_INET, socket.SOCK_STREAM, '127.0.0.1'),
        'tcp6': (socket.AF_INET6, socket.SOCK_STREAM, '::1')}


# Below those that the kernel gives to sockets without one.
PORTS = range(10000, 32000)
claims = []  # one socket a port that is ours, as long as this process lives


def free_port():
    """A port that is free on both loopback addresses, over UDP and TCP, and that no other test
    takes."""
    while True:
        port = random.choice(PORTS)
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind('\0rtprelay-test-port-%d' % port)
            for family, kind, host in INET.values():
                with socket.socket(family, kind) as s:
                    s.bind((host, port))
        except OSError:
            claim.close()
            continue
        claims.append(claim)
        return port


def wait_for(condition, what):
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise Failure('waited in vain for ' + what)
        time.sleep(0.005)


class Daemon:
    """keys: notify, bridge, ipv4only, ipv6only, and stdio, stdioc and systemd, which add that
    socket; of systemd it is a UNIX one.

    instance, control: text in these groups of the configuration; sockets: these, and none of the
    usual ones; targets: those permitted, {dir} undone; dataplane: that group, and one is run.
    realms: these in the place of the usual ones, lab1 and lab2; device: of their port, {dir}
    undone; media: that group.
    """

    def __init__(self, keys=(), instance='', own_run_dir=True, sockets=None,
                 started=True, control='', targets=(), dataplane='', realms=(),
                 device='net_null0,no-rx=1', media='port_min = 20000; port_max = 30000;'):
        self.dir = tempfile.mkdtemp(prefix='rtprelay-golden-')
        self.control = control
        self.dataplane = dataplane
        self.realms = realms
        self.device = device.format(dir=self.dir)
        self.media = media
        self.targets = [target.format(dir=self.dir) for target in targets]
        if 'notify' in keys:
            self.targets.append('tcp:127.0.0.1:9')
        self.dp_process = None
        os.chmod(self.dir, 0o755)
        self.port = free_port()
        self.streams = {}
        self.has_stdio = 'stdio' in keys or 'stdioc' in keys
        self.stdin = self.stdout = None
        self.n = 0
        if own_run_dir:
            instance += ' run_dir = "%s";' % self.dir
        self.write_config(keys, instance, sockets)
        if dataplane:
            self.start_dataplane()
        self.passed = contextlib.ExitStack()  # sockets of the service manager that we play
        if 'systemd' in keys:
            listening = self.passed.enter_context(socket.socket(socket.AF_UNIX))
            listening.bind(self.path('systemd.sock'))
            listening.listen(128)
            self.start_passing(listening)
        elif started:
            self.start()

    def write_config(self, keys, instance, sockets):
        families = [IPV4] if 'ipv4only' in keys else [IPV6] if 'ipv6only' in keys else [IPV4, IPV6]
        text = CONFIG.format(
            dir=self.dir, port=self.port,
            more=''.join(', "%s:"' % key for key in ('stdio', 'stdioc', 'systemd')
                         if key in keys),
            instance=instance,
            realms=', '.join(self.realms or [realm('lab1', 1, families),
                                             realm('lab2', 2, families)]),
            device=self.device, media=self.media,
            bridge=BRIDGE if 'bridge' in keys else '',
            dataplane=self.dataplane, control=self.control,
            # Nobody acknowledges without one; with one, machines are slow.
            ack_timeout_ms=10000 if self.dataplane else 50,
            notify=', '.join('"%s"' % target for target in self.targets))
        if sockets is not None:
            quoted = ', '.join('"%s"' % name.format(dir=self.dir, port=self.port)
                               for name in sockets)
            text = re.sub(r'sockets = \[[^]]*\]', 'sockets = [ %s ]' % quoted, text)
            self.has_stdio = 'stdio' in quoted
        with open(self.path('rtprelay.conf'), 'w') as f:
            f.write(text)

    def start(self, prefix=(), pass_fds=()):
        pipe = subprocess.PIPE if self.has_stdio else subprocess.DEVNULL
        with open(self.path('log'), 'a') as log:
            self.process = subprocess.Popen([*prefix, PROGRAM, '-c', self.path('rtprelay.conf')],
                                            stderr=log, stdin=pipe, stdout=pipe, bufsize=0,
                                            pass_fds=pass_fds)
        self.stdin, self.stdout = self.process.stdin, self.process.stdout
        wait_for(lambda: self.worker() != 0 or self.process.poll() is not None, 'a worker')

    def start_passing(self, *sockets):
        """As systemd does, from descriptor 3 on."""
        fds = [fcntl.fcntl(s, fcntl.F_DUPFD, 10 + len(sockets)) for s in sockets]
        places = ' '.join('%d<&%d' % (3 + i, fd) for i, fd in enumerate(fds))
        shell = 'exec %s; LISTEN_PID=$$ LISTEN_FDS=%d exec "$@"' % (places, len(fds))
        self.start(['bash', '-c', shell, 'sh'], fds)
        for fd in fds:
            os.close(fd)

    def check_dataplane(self):
        if self.dp_process.poll() is not None:
            with open(self.path('dp-log')) as f:
                raise Failure('rtprelay-dp ended:\n' + f.read())

    def start_dataplane(self):
        with open(self.path('dp-log'), 'a') as log:
            self.dp_process = subprocess.Popen([DATAPLANE, '-c', self.path('rtprelay.conf')],
                                               stderr=log, stdout=log, stdin=subprocess.DEVNULL)

    def rrctl(self, *words):
        """Status, and what it wrote: the result as JSON, or why it refused."""
        run = subprocess.run([RRCTL, '-c', self.path('rtprelay.conf'), '--json', *words],
                             capture_output=True, text=True, timeout=2 * PATIENCE)
        return run.returncode, json.loads(run.stdout) if run.returncode == 0 else run.stderr

    def dataplane_answers(self):
        """To be waited for before the first call."""
        self.check_dataplane()
        reply = self.command('unix', b'U probe 198.18.1.50 4000 ft')
        return reply[:1].isdigit() and self.command('unix', b'D probe ft') == b'0\n'

    def path(self, name):
        return os.path.join(self.dir, name)

    def worker(self):
        try:
            with open(self.path('rtprelayd-worker.pid')) as f:
                return int(f.read())
        except (FileNotFoundError, ValueError):
            return 0

    def kill_worker(self):
        old = self.worker()
        os.kill(old, signal.SIGKILL)
        wait_for(lambda: self.worker() not in (0, old), 'a new worker')

    def log_text(self):
        with open(self.path('log')) as f:
            return f.read()

    def left_behind(self):
        return [name for name in os.listdir(self.dir) if name.endswith(('.sock', '.pid'))]

    def discard(self):
        """Whatever state it is in."""
        for process in (self.process, self.dp_process):
            if process and process.poll() is None:
                process.kill()
                process.wait()
        self.passed.close()
        self.close_stdio()
        shutil.rmtree(self.dir, ignore_errors=True)

    def stop(self, signo=signal.SIGTERM):
        """A daemon that does not end well is a failure, whatever it answered."""
        for stream in self.streams.values():
            stream.close()
        self.process.send_signal(signo)
        status = self.process.wait(PATIENCE)
        text = self.log_text()
        if self.dp_process:
            self.dp_process.terminate()
            status = status or self.dp_process.wait(PATIENCE)
        left = [name for name in self.left_behind() if name != 'systemd.sock']  # that is ours
        shutil.rmtree(self.dir)
        if status != 0:
            raise Failure('rtprelayd ended with status %d:\n%s' % (status, text))
        if left:
            raise Failure('left behind: ' + ' '.join(left))

    def close_stdio(self):
        for f in (self.stdin, self.stdout):
            if f is not None:
                f.close()

    def read_stdout(self, n_lines):
        """So many lines, or fewer if it ends."""
        data = b''
        while data.count(b'\n') < n_lines:
            if not select.select([self.stdout], [], [], PATIENCE)[0]:
                raise Failure('no more than %r on standard output' % data)
            got = os.read(self.stdout.fileno(), 65536)
            if not got:
                break
            data += got
        return data

    # Every way to say something and hear the answer.

    def connect(self, kind):
        if kind == 'shm':
            s = ShmSocket(self.path('shm.sock'))
        elif kind in INET:
            family, sort, host = INET[kind]
            s = socket.socket(family, sort)
            s.connect((host, self.port))
        else:
            s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            s.connect(self.path(kind + '.sock'))
        s.settimeout(PATIENCE)
        return s

    @staticmethod
    def read_all(s):
        data = b''
        try:
            while True:
                got = s.recv(65536)
                if not got:
                    return data
                data += got
        except ConnectionResetError:
            return data

    @staticmethod
    def read_message(s):
        """Nothing when it is closed instead."""
        try:
            return s.recv(65536)
        except ConnectionResetError:
            return b''

    def raw(self, kind, data):
        if kind == 'stdio':
            os.write(self.stdin.fileno(), data)
            return self.read_stdout(data.count(b'\n'))
        with self.connect(kind) as s:
            try:
                (s.send if kind == 'shm' else s.sendall)(data)
                if kind in LINES:
                    s.shutdown(socket.SHUT_WR)
            except OSError:  # the other side is gone already
                pass
            return self.read_message(s) if kind in MESSAGES else self.read_all(s)

    @staticmethod
    def is_whole(data, reply):
        """Is that all of the reply to the command `data`? That of I has several lines."""
        n_lines = 1
        if reply.startswith(b'sessions created'):
            n_lines = 6 if b'l' in data.lower() else 5
        return reply.count(b'\n') >= n_lines

    def on_connection(self, kind, data):
        s = self.streams.setdefault(kind, None) or self.connect(kind)
        self.streams[kind] = s
        s.sendall(data + b'\n')
        reply = b''
        while not self.is_whole(data, reply):
            got = s.recv(65536)
            if not got:
                raise Failure('connection closed')
            reply += got
        return reply

    def on_stdio(self, data):
        reply = self.raw('stdio', data + b'\n')
        while not self.is_whole(data, reply):
            reply += self.read_stdout(1)
        return reply

    def with_cookie(self, kind, data, cookie):
        reply = self.raw(kind, cookie + b' ' + data)
        if not reply.startswith(cookie + b' '):
            raise Failure('reply without its cookie: %r' % reply)
        return reply[len(cookie) + 1:]

    def command(self, kind, data, cookie=None):
        """cookie: of a datagram, else one of its own."""
        if kind == 'unix':
            return self.raw(kind, data)
        if kind == 'stdio':
            return self.on_stdio(data)
        if kind in LINES:
            return self.on_connection(kind, data)
        self.n += 1
        return self.with_cookie(kind, data, cookie or b'%d_%d' % (os.getpid(), self.n))
