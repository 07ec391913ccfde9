"""Compares slirpnet with the kernel's own networks and with its peers; see bench/README.md."""

import argparse
import os
import shutil
import signal
import stat
import sys
import tempfile
import types

import bars
import links
import measures
import report
from processes import Failed, run

CONGESTION_CONTROL = "/proc/sys/net/ipv4/tcp_congestion_control"
TUN = "/dev/net/tun"
MEASURES = ("tcp", "forward", "latency", "connections", "udp", "start", "resources")


def options(words):
    parser = argparse.ArgumentParser(prog="bench/compare", description=__doc__)
    parser.add_argument("--rounds", type=int, help="rounds of every measurement (5)")
    parser.add_argument("--seconds", type=int, help="length of one bulk run (4)")
    parser.add_argument("--quick", action="store_true", help="2 rounds of 1 second: to see that it works")
    parser.add_argument("--only", type=lambda text: text.split(","), default=MEASURES,
                        help="measurements, by comma: " + ",".join(MEASURES))
    parser.add_argument("--peers", type=lambda text: text.split(","), default=list(links.ALL),
                        help="networks, by comma: " + ",".join(links.ALL))
    parser.add_argument("--check", action="store_true", help="status 1 when slirpnet misses a bar")
    parser.add_argument("--results", metavar="DIRECTORY", help="where to write (bench/results)")
    chosen = parser.parse_args(words)
    for name, known in ((name, MEASURES) for name in chosen.only):
        if name not in known:
            parser.error(f"no such measurement: {name}")
    for name in chosen.peers:
        if name not in links.ALL:
            parser.error(f"no such network: {name}")
    chosen.rounds = chosen.rounds or (2 if chosen.quick else 5)
    chosen.seconds = chosen.seconds or (1 if chosen.quick else 4)
    return chosen


class Machine:
    """The settings of this machine that a run needs, put back at its end, and a folder for its files."""

    def __init__(self):
        with open(CONGESTION_CONTROL, encoding="ascii") as file:
            self._congestion_control = file.read()
        self._tun_mode = stat.S_IMODE(os.stat(TUN).st_mode)
        self.scratch = tempfile.mkdtemp(prefix="slirpnet-bench-")

    def __enter__(self):
        # bbr, where it is the default, slows some peers to a crawl; cubic is what most machines have.
        self._set_congestion_control("cubic")
        os.chmod(TUN, 0o666)  # as it is wherever udev set it up
        os.chmod(self.scratch, 0o1777)
        return self

    def __exit__(self, *_):
        self._set_congestion_control(self._congestion_control)
        os.chmod(TUN, self._tun_mode)
        shutil.rmtree(self.scratch, ignore_errors=True)

    @staticmethod
    def _set_congestion_control(name):
        with open(CONGESTION_CONTROL, "w", encoding="ascii") as file:
            file.write(name)

    def files(self, root):
        """The programs under test. Ours is copied, for the clone may be where another user cannot read."""
        slirpnet = os.path.join(self.scratch, "slirpnet")
        shutil.copyfile(os.environ.get("SLIRP_BINARY") or os.path.join(root, "out", "slirpnet"), slirpnet)
        helper, relay = os.path.join(self.scratch, "rtt"), os.path.join(self.scratch, "relay")
        for program in (helper, relay):
            run(["gcc", "-O2", "-o", program, os.path.join(root, "bench", "harness", os.path.basename(program) + ".c")])
        for path in (slirpnet, helper, relay):
            os.chmod(path, 0o755)
        return types.SimpleNamespace(scratch=self.scratch, slirpnet=slirpnet, helper=helper, relay=relay,
                                     slirp4netns=shutil.which("slirp4netns"), pasta=shutil.which("pasta"))


class Comparison:
    """Runs the measurements in rounds, every network in turn within a round, and keeps the samples."""

    def __init__(self, chosen, files):
        self._chosen, self._files = chosen, files
        self.links = [kind for name, kind in links.ALL.items() if name in chosen.peers]
        self.results = {measure: {} for measure in MEASURES}
        self.failures = []

    def run(self):
        quick, seconds, helper = self._chosen.quick, self._chosen.seconds, self._files.helper
        for number in range(1, self._chosen.rounds + 1):
            print(f"round {number} of {self._chosen.rounds}", file=sys.stderr, flush=True)
            for mtu in (1500, 65520):
                for direction in ("up", "down"):
                    self._measure("tcp", mtu, (mtu, direction),
                                  lambda link, down=direction == "down": measures.tcp(link, seconds, down))
                    self._measure_forward(mtu, direction)
            for direction in ("up", "down"):
                self._measure("udp", 1500, (direction,),
                              lambda link, down=direction == "down": measures.udp(link, seconds, down))
            self._measure("latency", 1500, (), lambda link: measures.latency(link, helper, quick))
            self._measure("connections", 1500, (), lambda link: measures.connections(link, helper, quick))
        self._measure("resources", 1500, (), lambda link: measures.resources(link, seconds), only_user_mode=True)
        self._measure_start(3 if quick else 20)

    def _measure(self, measure, mtu, key, take, only_user_mode=False):
        if measure not in self._chosen.only:
            return
        for kind in self.links:
            if measure not in kind.measured or only_user_mode and not kind.is_user_mode:
                continue
            try:
                link = kind(mtu, self._files)
                try:
                    self._keep(measure, (kind.name, *key), take(link))
                finally:
                    link.close()
            except Failed as failure:
                self._fail(f"{measure} {kind.name} {' '.join(map(str, key))}: {failure}")

    def _measure_forward(self, mtu, direction):
        if "forward" not in self._chosen.only:
            return
        for kind in self.links:
            if kind.forward_address is None:
                continue
            try:
                self._keep("forward", (kind.name, mtu, direction),
                           measures.forward(kind, mtu, self._files, self._chosen.seconds, direction == "down"))
            except Failed as failure:
                self._fail(f"forward {kind.name} {mtu} {direction}: {failure}")

    def _measure_start(self, count):
        if "start" not in self._chosen.only:
            return
        for _ in range(count):
            for kind in self.links:
                if kind is links.SlirpnetUser or not kind.is_user_mode:
                    continue
                timed = links.Slirp4netnsRoot if kind is links.Slirp4netns else kind
                try:
                    self._keep("start", (timed.name,), measures.start(timed, self._files))
                except Failed as failure:
                    self._fail(f"start {timed.name}: {failure}")

    def _keep(self, measure, key, figures):
        self.results[measure].setdefault(key, []).append(figures)

    def _fail(self, text):
        print(f"bench/compare: {text}", file=sys.stderr, flush=True)
        self.failures.append(text)


def main(words):
    chosen = options(words)
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    if os.geteuid() != 0:
        print("bench/compare: the veth pair to compare with, and the congestion control, need root\n"
              "    remedy: sudo bench/compare", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with Machine() as machine:
        files = machine.files(root)
        comparison = Comparison(chosen, files)
        comparison.run()
        about = report.describe(files, words, chosen.rounds, chosen.seconds)
        print(report.write(chosen.results or os.path.join(root, "bench", "results"), comparison.results, about,
                           comparison.failures, comparison.links))
    return conclude(chosen, comparison)


def conclude(chosen, comparison):
    if not chosen.check:
        return 0
    verdicts = bars.judge(comparison.results)
    for text, passed in verdicts:
        print(f"{'ok    ' if passed else 'MISSED'} {text}")
    ours_failed = [text for text in comparison.failures if " slirpnet" in text]
    return 0 if verdicts and not ours_failed and all(passed for _, passed in verdicts) else 1


sys.exit(main(sys.argv[1:]))
