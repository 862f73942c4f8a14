# SPDX-License-Identifier: BSD-2-Clause
"""The shared region as the control process sees it: requests, replies, events, flows, counters.

Every offset comes from build/tests/layout_dump, which is compiled from the same headers as the
programs. Words are stored through typed views of the mapping, so that a store is one store.
"""

import ipaddress
import json
import mmap
import os
import struct
import subprocess

from waiting import wait_until


def _load_layout():
    build = os.environ.get("BUILD", "build")
    dump = subprocess.run(
        [os.path.join(build, "tests", "layout_dump")], stdout=subprocess.PIPE, check=True
    )
    return json.loads(dump.stdout)


_LAYOUT = _load_layout()
STRUCTS = _LAYOUT["structs"]
N = _LAYOUT["numbers"]
COUNTERS = [name for name, _ in _LAYOUT["counters"]]
KIND = dict(_LAYOUT["counters"])
DROPS = [name for name in COUNTERS if KIND[name] == "drop"]


class Refused(Exception):
    """The dataplane answered a request with a status other than RR_REPLY_OK."""

    def __init__(self, reply):
        super().__init__(f"request refused: {reply}")
        self.status = reply["status"]


def field_of(strct, field):
    """Offset and size of a field."""
    return STRUCTS[strct]["fields"][field]


def size_of(strct):
    return STRUCTS[strct]["size"]


def pack(strct, **values):
    """Bytes of a struct; fields that are not named are zero, integers in host order."""
    out = bytearray(size_of(strct))
    for name, value in values.items():
        offset, size = field_of(strct, name)
        if isinstance(value, int):
            value = value.to_bytes(size, "little")
        if len(value) > size:
            raise ValueError(f"{strct}.{name} holds {size} bytes")
        out[offset : offset + len(value)] = value
    return bytes(out)


def unpack(strct, data):
    """Dict of a struct's fields: integers up to 8 bytes, bytes beyond."""
    values = {}
    for name, (offset, size) in STRUCTS[strct]["fields"].items():
        raw = bytes(data[offset : offset + size])
        values[name] = int.from_bytes(raw, "little") if size <= 8 else raw
    return values


def endpoint(remote):
    """struct rr_endpoint of an (address text, port) pair; None is no address."""
    if remote is None:
        return pack("rr_endpoint")
    addr = ipaddress.ip_address(remote[0])
    family = N["RR_FAMILY_IPV4"] if addr.version == 4 else N["RR_FAMILY_IPV6"]
    return pack(
        "rr_endpoint", addr=addr.packed, port_be=struct.pack("!H", remote[1]), family=family
    )


def endpoint_text(data):
    """The reverse of endpoint()."""
    ep = unpack("rr_endpoint", data)
    if ep["family"] == N["RR_FAMILY_NONE"]:
        return None
    size = 4 if ep["family"] == N["RR_FAMILY_IPV4"] else 16
    port = struct.unpack("!H", ep["port_be"].to_bytes(2, "little"))[0]
    return str(ipaddress.ip_address(ep["addr"][:size])), port


def realm_key(name):
    """As rr_realm_key."""
    key = 0xCBF29CE484222325
    for byte in name.encode():
        key = (key ^ byte) * 0x100000001B3 % (1 << 64)
    return key


class _Ring:
    """One side of a ring. Producer and consumer both start where the shared index stands."""

    def __init__(self, region, base, ring, slots, n_slots):
        self.region = region
        self.tail_at = base + field_of("rr_shm_worker", ring)[0] + field_of(
            "rr_ring_shared", "tail"
        )[0]
        self.head_at = base + field_of("rr_shm_worker", ring)[0] + field_of(
            "rr_ring_shared", "head"
        )[0]
        self.slots_at, size = field_of("rr_shm_worker", slots)
        self.slots_at += base
        self.n_slots = n_slots
        self.slot_size = size // n_slots

    @property
    def tail(self):
        return self.region.load32(self.tail_at)

    @tail.setter
    def tail(self, value):
        self.region.store32(self.tail_at, value)

    @property
    def head(self):
        return self.region.load32(self.head_at)

    @head.setter
    def head(self, value):
        self.region.store32(self.head_at, value)

    def used(self):
        return (self.tail - self.head) & 0xFFFFFFFF

    def push(self, data):
        if self.used() >= self.n_slots:
            return False
        tail = self.tail
        at = self.slots_at + tail % self.n_slots * self.slot_size
        self.region.memory[at : at + self.slot_size] = data
        self.tail = (tail + 1) & 0xFFFFFFFF
        return True

    def pop(self):
        if self.used() == 0:
            return None
        head = self.head
        at = self.slots_at + head % self.n_slots * self.slot_size
        data = bytes(self.region.memory[at : at + self.slot_size])
        self.head = (head + 1) & 0xFFFFFFFF
        return data


class Region:
    """A mapped region. `check` is called while waiting, to notice a dataplane that died."""

    def __init__(self, path, check=lambda: None):
        self.check = check
        with open(path, "r+b") as f:
            self.inode = os.fstat(f.fileno()).st_ino
            self.memory = mmap.mmap(f.fileno(), 0)
        self._view = memoryview(self.memory)
        self._u32 = self._view.cast("I")
        self._u64 = self._view.cast("Q")
        header = unpack("rr_shm_header", self.memory)
        if header["magic"] != N["RR_SHM_MAGIC"] or header["version"] != N["RR_SHM_VERSION"]:
            raise ValueError("not a region of this version")
        self.n_workers = header["n_workers"]
        self.n_ports = header["n_ports"]
        self.n_addrs = header["n_addrs"]
        self.n_flows = header["n_flows"]
        self.media_port_min = header["media_port_min"]
        self.n_media_ports = header["n_media_ports"]
        self.workers_at = header["workers_offset"]
        self.flows_at = header["flows_offset"]
        self.cold_at = header["cold_offset"]
        self.main = self.n_workers  # the main thread's block is the last
        self.requests = [
            self._ring(w, "request", "RR_REQUEST_RING_SLOTS") for w in range(self.n_workers + 1)
        ]
        self.replies = [
            self._ring(w, "reply", "RR_REPLY_RING_SLOTS") for w in range(self.n_workers + 1)
        ]
        self.events = [self._ring(w, "event", "RR_EVENT_RING_SLOTS") for w in range(self.n_workers)]
        self._next_id = 1

    def close(self):
        self._u32.release()
        self._u64.release()
        self._view.release()
        self.memory.close()

    def load32(self, at):
        return self._u32[at // 4]

    def store32(self, at, value):
        self._u32[at // 4] = value

    def load64(self, at):
        return self._u64[at // 8]

    def header(self, field):
        offset, size = field_of("rr_shm_header", field)
        return self.load64(offset) if size == 8 else self.load32(offset)

    def set_header32(self, field, value):
        self.store32(field_of("rr_shm_header", field)[0], value)

    def addr_at(self, i):
        return self.header("addrs_offset") + i * size_of("rr_shm_addr")

    def _addr(self, i):
        a = unpack("rr_shm_addr", self.memory[self.addr_at(i) : self.addr_at(i + 1)])
        if a["family"] == N["RR_FAMILY_NONE"]:
            return None
        size = 4 if a["family"] == N["RR_FAMILY_IPV4"] else 16
        return str(ipaddress.ip_address(a["addr"][:size]))

    @property
    def addrs(self):
        """Text of each entry of the directory, None where it is free."""
        return [self._addr(i) for i in range(self.n_addrs)]

    def _worker_at(self, worker):
        return self.workers_at + worker * size_of("rr_shm_worker")

    def _ring(self, worker, name, n_slots):
        return _Ring(self, self._worker_at(worker), f"{name}_ring", f"{name}_slots", N[n_slots])

    # ---- flows

    def slot(self, addr, port):
        """Slot of a local address (index or text) and port."""
        if isinstance(addr, str):
            addr = self.addrs.index(str(ipaddress.ip_address(addr)))
        offset = port - self.media_port_min
        if not (0 <= addr < self.n_addrs and 0 <= offset < self.n_media_ports):
            raise ValueError(f"no slot for address {addr} port {port}")
        return addr * self.n_media_ports + offset

    def owner_of_port(self, port):
        at = field_of("rr_shm_header", "bucket_owner")[0]
        return self.memory[at + ((port >> 1) & 63)]

    def flow(self, slot):
        """A consistent copy of a flow, hot and cold fields in one dict."""
        hot_at = self.flows_at + slot * size_of("rr_flow")
        cold_at = self.cold_at + slot * size_of("rr_flow_cold")
        seq_at = hot_at + field_of("rr_flow", "seq")[0]

        def read():
            seq = self.load32(seq_at)
            hot = self.memory[hot_at : hot_at + size_of("rr_flow")]
            cold = self.memory[cold_at : cold_at + size_of("rr_flow_cold")]
            same = seq % 2 == 0 and self.load32(seq_at) == seq
            return {**unpack("rr_flow_cold", cold), **unpack("rr_flow", hot)} if same else None

        return wait_until(read, f"consistent flow {slot}", self.check)

    def remote(self, slot):
        """Where packets of this flow are expected from: (address, port) or None."""
        f = self.flow(slot)
        if not f["flags"] & N["RR_FLOW_HAS_REMOTE"]:
            return None
        size = 4 if f["remote_family"] == N["RR_FAMILY_IPV4"] else 16
        port = struct.unpack("!H", f["remote_port_be"].to_bytes(2, "little"))[0]
        return str(ipaddress.ip_address(f["remote"][:size])), port

    def store_flow(self, slot, field, value):
        """Write into a flow behind its owner's back; for tests of adoption only."""
        offset, size = field_of("rr_flow", field)
        at = self.flows_at + slot * size_of("rr_flow") + offset
        self.memory[at : at + size] = value.to_bytes(size, "little")

    # ---- requests

    def next_id(self):
        self._next_id += 1
        return self._next_id

    def push(self, to, **fields):
        """Put a request to this dataplane into a ring."""
        data = pack("rr_request", **{"dp_generation": self.header("dp_generation"), **fields})
        wait_until(lambda: self.requests[to].push(data), "room in the request ring", self.check)

    def pop_reply(self, worker):
        data = wait_until(self.replies[worker].pop, f"a reply of worker {worker}", self.check)
        return unpack("rr_reply", data)

    def submit(self, requests):
        """Send (worker, fields of struct rr_request) pairs; returns the replies in their order."""
        wanted = []
        for worker, fields in requests:
            request = dict(fields)
            request.setdefault("id", self.next_id())
            request.setdefault("worker", worker)
            wanted.append((worker, request["id"]))
            self.push(worker, **request)
        replies = []
        pending = {}
        for worker, request_id in wanted:
            while (worker, request_id) not in pending:
                reply = self.pop_reply(worker)
                pending[worker, reply["id"]] = reply
            replies.append(pending.pop((worker, request_id)))
        return replies

    def request(self, to, **fields):
        """Send one request to a worker; raises Refused unless it was carried out."""
        reply = self.submit([(to, fields)])[0]
        if reply["status"] != N["RR_REPLY_OK"]:
            raise Refused(reply)
        return reply

    def set_fields(self, slot, uid, peer, remote, version=1, flags=0, tos=184, **more):
        """Fields of a FLOW_SET; `remote` is the signalled address or None."""
        if remote is not None:
            flags |= N["RR_SET_SIGNALLED"]
        return dict(
            op=N["RR_REQUEST_FLOW_SET"],
            slot=slot,
            uid=uid,
            peer=N["RR_SLOT_NONE"] if peer is None else peer,
            signalled=endpoint(remote),
            version=version,
            flags=flags,
            tos=tos,
            **more,
        )

    def del_fields(self, slot, uid):
        return dict(op=N["RR_REQUEST_FLOW_DEL"], slot=slot, uid=uid)

    def add_fields(self, realm, addr):
        """Fields of an ADDR_SET, for the main thread."""
        return dict(
            op=N["RR_REQUEST_ADDR_SET"], uid=realm_key(realm), signalled=endpoint((addr, 0))
        )

    def remove_fields(self, addr):
        return dict(op=N["RR_REQUEST_ADDR_DEL"], signalled=endpoint((addr, 0)))

    def barrier(self, worker):
        return self.request(worker, op=N["RR_REQUEST_BARRIER"])

    # ---- counters

    def counters(self, worker=None, port=None, generation=True):
        """Counters by name, summed over what is not named; of this dataplane generation alone."""
        workers = range(self.n_workers + 1) if worker is None else [worker]
        ports = range(self.n_ports) if port is None else [port]
        total = dict.fromkeys(COUNTERS, 0)
        n = len(COUNTERS)
        for w in workers:
            for p in ports:
                now = self._counter_row(w, "counters", p)
                base = self._counter_row(w, "counters_base", p) if generation else [0] * n
                for name, a, b in zip(COUNTERS, now, base):
                    total[name] += a - b
        # a level may be below zero in one block and above in another
        total["held"] = (total["held"] + (1 << 63)) % (1 << 64) - (1 << 63)
        return total

    def _counter_row(self, worker, block, port):
        at = self._worker_at(worker) + field_of("rr_shm_worker", block)[0] + port * len(
            COUNTERS
        ) * 8
        return list(self._u64[at // 8 : at // 8 + len(COUNTERS)])

    def imbalance(self):
        """Left minus right side of the accounting equation, as rr_counters_imbalance."""
        return imbalance_of(self.counters())


def imbalance_of(counters):
    sign = {"in": 1, "out": -1, "drop": -1, "gauge": -1, "info": 0}
    return sum(sign[KIND[name]] * value for name, value in counters.items())
