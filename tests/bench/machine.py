# SPDX-License-Identifier: BSD-2-Clause
"""What the figures were taken on: rows of a table for the report."""

import os
import re
import subprocess


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def output(*args):
    """What a program says, whether all is well with it or not."""
    try:
        done = subprocess.run(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
    except OSError as error:
        return str(error)
    return done.stdout.strip()


def field(text, name):
    found = re.search(rf"^{name}\s*:\s*(.*)$", text, re.MULTILINE)
    return found.group(1) if found else "unknown"


def distribution():
    return field(read("/etc/os-release").replace("=", ":"), "PRETTY_NAME").strip('"')


def tsc_hz():
    """Ticks a second, as the EAL measures them at its start; 0 when it does not say."""
    eal = output("dpdk-testpmd", "-l", "0", "--no-pci", "--no-shconf", "--no-huge", "-m", "64",
                 "--log-level=lib.eal:debug", "--", "--help")
    found = re.search(r"TSC frequency is ~(\d+) KHz", eal)
    return int(found.group(1)) * 1000 if found else 0


def isolated():
    return read("/sys/devices/system/cpu/isolated") or "none"


def version(folder):
    said = output("git", "-C", folder, "describe", "--always", "--dirty")
    return "unknown" if said.startswith("fatal") else said


def describe(folder, hugepages):
    """A dict in the order in which it is shown."""
    cpu = read("/proc/cpuinfo")
    memory = read("/proc/meminfo")
    virtual = "yes" if re.search(r"^flags\s*:.*\bhypervisor\b", cpu, re.MULTILINE) else "no"
    return {
        "processor": field(cpu, "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "isolated cores": isolated(),
        "virtual machine": virtual,
        "memory": f"{int(field(memory, 'MemTotal').split()[0]) // 1024} MiB",
        "hugepages": "2 MiB, for both sides" if hugepages else "none, for either side",
        "system": distribution(),
        "kernel": os.uname().release.split("-")[0],
        "DPDK": output("pkg-config", "--modversion", "libdpdk"),
        "compiler": output("gcc", "--version").split("\n")[0],
        "rtprelay": version(folder),
        "load average before": " ".join(read("/proc/loadavg").split()[:3]),
    }
