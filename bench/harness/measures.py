"""What is measured on a link. Each function gives a flat dictionary of figures, in the units of its keys."""

import json
import os
import random
import statistics
import subprocess
import time

from processes import Failed, await_octet, end, run, spawn

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class Server:
    """A server where the link's servers live, on a port nobody else has; ended with the block."""

    def __init__(self, link, argv_of_port, says_up=True):
        for _ in range(5):
            self.port = random.randrange(20000, 32000)  # below the range connections take theirs from
            self._process = spawn(link.host(argv_of_port(self.port)), stdout=subprocess.PIPE)
            try:
                await_octet(self._process.stdout.fileno(), 10, "server")
                return
            except Failed:
                end(self._process)  # the port was in use
        raise Failed("no port found for a server")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        end(self._process)


def iperf3_server(link):
    return Server(link, lambda port: ["iperf3", "-s", "-B", link.server_bind, "-p", str(port), "--forceflush"])


def iperf3(link, server, seconds, words):
    """One run; gives its JSON."""
    argv = link.guest(["iperf3", "-c", link.address, "-p", str(server.port), "-t", str(seconds), "-J", *words])
    return reported(run(argv, timeout=seconds + 20, check=False))


def reported(said):
    """What an iperf3 client said, as its JSON."""
    try:
        report = json.loads(said)
    except ValueError:
        raise Failed(f"iperf3 said: {said.strip()[:200]}") from None
    if "error" in report:
        raise Failed(f"iperf3: {report['error']}")
    return report


def snmp(link):
    """The guest's TCP counters."""
    counters = {}
    for table in ("/proc/net/snmp", "/proc/net/netstat"):
        lines = run(link.guest(["cat", table])).splitlines()
        for names, values in zip(lines[::2], lines[1::2]):
            counters.update(zip(names.split()[1:], map(int, values.split()[1:])))
    return counters


def tcp(link, seconds, to_guest):
    """Bulk TCP, one stream. Retransmitted is what the guest's own kernel sent again, of what it sent; arrived again is
    what the guest had already when the other end sent it (its DSACKs), of what it received."""
    with iperf3_server(link) as server:
        before = snmp(link)
        report = iperf3(link, server, seconds, ["-R"] if to_guest else [])
        after = snmp(link)
    moved = {name: after[name] - before[name] for name in after}
    rates = [interval["sum"]["bits_per_second"] for interval in report["intervals"]
             if interval["sum"]["seconds"] > 0.5]
    figures = {
        "gbit_per_second": report["end"]["sum_received"]["bits_per_second"] / 1e9,
        "iperf3_retransmits": report["end"]["sum_sent"].get("retransmits", 0),
        "retransmitted_percent": 100 * moved["RetransSegs"] / max(1, moved["OutSegs"]),
        "arrived_again_percent": 100 * (moved["TCPDSACKOldSent"] + moved["TCPDSACKOfoSent"]) / max(1, moved["InSegs"]),
    }
    if len(rates) >= 3:
        figures["first_second_ratio"] = rates[0] / statistics.median(rates[1:])
    return figures


def forward(kind, mtu, files, seconds, to_guest):
    """Bulk TCP, one stream, from a client on the host to a server in the guest through a forwarded port."""
    port = random.randrange(20000, 32000)
    link = kind(mtu, files, forward=port)
    try:
        server = spawn(link.guest(["iperf3", "-s", "-p", str(port), "--forceflush"]), stdout=subprocess.PIPE)
        try:
            await_octet(server.stdout.fileno(), 10, "server")
            argv = link.host(["iperf3", "-c", link.forward_address, "-p", str(port), "-t", str(seconds), "-J",
                              *([] if to_guest else ["-R"])])
            report = reported(run(argv, timeout=seconds + 20, check=False))
        finally:
            end(server)
    finally:
        link.close()
    return {"gbit_per_second": report["end"]["sum_received"]["bits_per_second"] / 1e9}


def udp(link, seconds, to_guest):
    """Datagrams of 1400 octets, sent as fast as the sender can."""
    with iperf3_server(link) as server:
        report = iperf3(link, server, seconds, ["-u", "-b", "0", "-l", "1400", *(["-R"] if to_guest else [])])
    total = report["end"]["sum"]
    arrived = total["packets"] - total["lost_packets"]
    return {
        "arrived_per_second": arrived / total["seconds"],
        "lost_percent": 100 * total["lost_packets"] / max(1, total["packets"]),
    }


def round_trips(link, helper, kind, count):
    with Server(link, lambda port: [helper, "serve", link.server_bind, str(port)]) as server:
        argv = link.guest([helper, kind, link.address, str(server.port), str(count)])
        return json.loads(run(argv, timeout=120))


def latency(link, helper, quick):
    return round_trips(link, helper, "echo", 2000 if quick else 20000)


def connections(link, helper, quick):
    return round_trips(link, helper, "connect", 500 if quick else 5000)


def status_kilobytes(pid, field):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith(field + ":"):
                return int(line.split()[1])
    raise Failed(f"/proc/{pid}/status has no {field}")


def ticks(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def resources(link, seconds):
    """Memory before and after load, and processor time while nothing happens, of the process that carries the traffic."""
    idle = status_kilobytes(link.pid, "VmRSS")
    for to_guest in (False, True):
        tcp(link, seconds, to_guest)
    before = ticks(link.pid)
    time.sleep(2 * seconds)
    return {
        "idle_megabytes": idle / 1000,
        "peak_megabytes": status_kilobytes(link.pid, "VmHWM") / 1000,
        "after_load_megabytes": status_kilobytes(link.pid, "VmRSS") / 1000,
        "idle_ticks_per_second": (ticks(link.pid) - before) / (2 * seconds),
    }


def start(kind, files):
    """From spawning the program to its ready octet (for pasta: to the end of its parent)."""
    link = kind(1500, files)
    try:
        return {"milliseconds": link.start_seconds * 1000}
    finally:
        link.close()
