# SPDX-License-Identifier: BSD-2-Clause
"""One program that the front starts, and starts again when it dies."""

import ctypes
import os
import signal
import time

PR_SET_PDEATHSIG = 1
QUICK_DEATH_S = 2.0
BACKOFF_MAX_S = 5.0
FIRST_PASSED_FD = 3  # sd_listen_fds(3)
LIBC = ctypes.CDLL(None, use_errno=True)
# Those that both programs ask for once they can; before, they must neither kill nor be lost.
BLOCKED = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)


def heed_passed_sockets(environ):
    """Only those for this very process: variables are inherited, descriptors perhaps not."""
    if environ.get("LISTEN_PID") != str(os.getpid()):
        forget_passed_sockets(environ)


def forget_passed_sockets(environ):
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        environ.pop(name, None)


def end_with(parent):
    """This process hears SIGTERM should its parent end, and is no more if that has ended."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(1)


def outlive_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, 0)


class Process:
    """argv is run as it is; stderr is where its lines go, None for the front's own."""

    def __init__(self, argv, stderr=None, policy=None):
        self.argv, self.stderr, self.policy = argv, stderr, policy
        self.takes_sockets = False  # those that systemd passed are for it
        self.takes_input = False  # and so are standard input and output
        self.name = os.path.basename(argv[0])
        self.pid = None
        self.start_at = 0.0  # of the next start, on the monotonic clock
        self._started_at = 0.0
        self._n_quick_deaths = 0

    def start(self):
        """Raises OSError, and the next try is later."""
        self.start_at = time.monotonic() + BACKOFF_MAX_S
        front = os.getpid()
        # What the child hears while it still has our handlers would be heard as ours.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            pid = os.fork()
            if pid == 0:
                self._try_to_become(front)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        self.pid, self._started_at = pid, time.monotonic()

    def _try_to_become(self, front):
        """In the child; never returns."""
        try:
            self._become(front)
        except OSError as error:
            os.write(2, os.fsencode(f"rtpproxy: {self.argv[0]}: {error.strerror}\n"))
        finally:
            os._exit(127)

    def _become(self, front):
        """In the child; returns only by an exception."""
        end_with(front)
        self._let_go_of_signals()
        environ = dict(os.environ)
        environ.pop("NOTIFY_SOCKET", None)  # the front says when all is ready
        if self.takes_sockets and "LISTEN_FDS" in environ:
            environ["LISTEN_PID"] = str(os.getpid())
        elif "LISTEN_FDS" in environ:
            self._close_passed(environ["LISTEN_FDS"])
            forget_passed_sockets(environ)
        if not self.takes_input:
            self._leave_terminal()
        if self.stderr is not None:
            os.dup2(self.stderr, 2)
        self._schedule()
        os.execve(self.argv[0], self.argv, environ)

    @staticmethod
    def _let_go_of_signals():
        """As exec would, and only then without those that the program asks for."""
        for signo in signal.valid_signals():
            if callable(signal.getsignal(signo)):
                signal.signal(signo, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, BLOCKED)

    @staticmethod
    def _close_passed(number):
        if number.isdigit():
            os.closerange(FIRST_PASSED_FD, FIRST_PASSED_FD + int(number))

    @staticmethod
    def _leave_terminal():
        """Its Ctrl-C is for the front alone."""
        os.setpgid(0, 0)
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)
        os.dup2(nothing, 1)

    def _schedule(self):
        """Priority 1 is before every ordinary task, and behind the kernel's own."""
        if self.policy is None:
            return
        try:
            os.sched_setscheduler(0, self.policy, os.sched_param(1))
        except OSError as error:
            os.write(2, f"rtpproxy: no real-time scheduling: {error.strerror}\n".encode())

    def send(self, signo):
        if self.pid is not None:
            os.kill(self.pid, signo)

    def age_s(self):
        """Since the last start."""
        return time.monotonic() - self._started_at

    def ended(self):
        """Call when wait() gave its pid; plans the next start: at once after a long life."""
        quick = self.age_s() < QUICK_DEATH_S
        self._n_quick_deaths = self._n_quick_deaths + 1 if quick else 0
        delay = 0.0
        if self._n_quick_deaths > 1:
            delay = min(0.1 * 2 ** (self._n_quick_deaths - 2), BACKOFF_MAX_S)
        self.pid, self.start_at = None, time.monotonic() + delay
