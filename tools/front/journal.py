# SPDX-License-Identifier: BSD-2-Clause
"""Where log lines go: stderr, or syslog once the front is a daemon, those of the programs too."""

import datetime
import os
import sys
import syslog

LEVELS = ("error", "warning", "info", "debug")
PRIORITY = {"error": syslog.LOG_ERR, "warning": syslog.LOG_WARNING, "info": syslog.LOG_INFO,
            "debug": syslog.LOG_DEBUG}


class Journal:
    """Lines of the front itself say `rtpproxy`."""

    def __init__(self, level, facility):
        self.level, self.facility = level, facility
        self.to_stderr, self.to_syslog = True, False
        self._rest = b""

    def open_syslog(self):
        syslog.openlog("rtpproxy", syslog.LOG_PID, getattr(syslog, f"LOG_{self.facility}"))
        self.to_syslog = True

    def say(self, level, text):
        """Whatever the level: what must be known of the start is said with `notice`."""
        if level == "notice" or LEVELS.index(level) <= LEVELS.index(self.level):
            now = datetime.datetime.now(datetime.timezone.utc)
            stamp = now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03d}Z"
            self._write(syslog.LOG_NOTICE if level == "notice" else PRIORITY[level],
                        f"rtpproxy {stamp} {level} front: {text}")

    def take(self, data):
        """Bytes of a program's stderr, whose lines are `PROGRAM TIME LEVEL TOPIC: ...`."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            text = line.decode("utf-8", "replace")
            level = (text.split(" ", 3) + [""] * 3)[2]
            self._write(PRIORITY.get(level, syslog.LOG_WARNING), text)

    def _write(self, priority, text):
        data = text.encode(errors="backslashreplace")  # there are paths that are not UTF-8
        if self.to_syslog:
            syslog.syslog(priority, data.decode())
        if self.to_stderr:
            try:
                os.write(sys.stderr.fileno(), data + b"\n")
            except OSError:
                self.to_stderr = False  # nobody is there to read it
