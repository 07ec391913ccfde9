"""Results as a table for people, JSON for programs and a picture."""

import json
import os
import platform
import re
import statistics
import subprocess
import time

from processes import run

CELLS = [(mtu, direction) for mtu in (1500, 65520) for direction in ("up", "down")]
DIRECTIONS = {"up": "from namespace", "down": "to namespace"}
COLOURS = {"loopback": "#c8c8c8", "veth": "#7f7f7f", "relay": "#b7b389", "slirpnet": "#1b6ca8", "slirpnet-user": "#6fb1dd",
           "slirp4netns": "#e08a3c", "pasta": "#b5518b"}


def median(samples, name):
    values = [sample[name] for sample in samples or () if name in sample]
    return statistics.median(values) if values else None


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = re.findall(r"^model name\s*:\s*(.*)$", file.read(), re.M)
    with open("/proc/meminfo", encoding="ascii") as file:
        memory = int(file.readline().split()[1]) / 1e6
    return f"{models[0] if models else platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GB, " \
           f"Linux {platform.release()}"


def versions(files):
    def first_line(argv):
        try:
            done = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=False)
            return (done.stdout or done.stderr).strip().splitlines()[0]
        except (OSError, IndexError, subprocess.TimeoutExpired):
            return "?"

    def package(name):
        try:
            return f"{name} {run(['dpkg-query', '-W', '-f', '${Version}', name])}"
        except Exception:  # not Debian
            return f"{name} ?"
    return [first_line([files.slirpnet, "--version"]), first_line([files.slirp4netns, "--version"]), package("passt"),
            first_line(["rootlesskit", "--version"]), first_line(["iperf3", "--version"])]


def describe(files, words, rounds, seconds):
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "machine": machine(),
        "command": " ".join(["bench/compare", *words]),
        "versions": versions(files),
        "rounds": rounds,
        "seconds": seconds,
        "congestion_control": "cubic",
    }


def figure(value, pattern, bar=None):
    if value is None:
        return "-"
    text = pattern.format(value)
    return text + (f" ({value / bar:.2f})" if bar else "")


def row(cells):
    return "| " + " | ".join(cells) + " |"


def table(heading, columns, rows):
    return [f"### {heading}", "", row(["", *columns]), row(["---"] + ["---:"] * len(columns)), *map(row, rows), ""]


def throughput_table(results, links, measure, heading):
    measured = results[measure]
    bars = {cell: median(measured.get(("veth", *cell)), "gbit_per_second") for cell in CELLS}
    rows = []
    for kind in links:
        cells = [figure(median(measured.get((kind.name, *cell)), "gbit_per_second"), "{:.1f}", bars[cell])
                 for cell in CELLS]
        if any(cell != "-" for cell in cells):
            rows.append([kind.label, *cells])
    columns = [f"MTU {mtu}, {DIRECTIONS[direction]}" for mtu, direction in CELLS]
    return table(heading, columns, rows)


def quality_table(results, links):
    def over_cells(kind, name, choose):
        values = [median(results["tcp"].get((kind.name, *cell)), name) for cell in CELLS]
        values = [value for value in values if value is not None]
        return choose(values) if values else None
    rows = [[kind.label,
             figure(over_cells(kind, "retransmitted_percent", max), "{:.4f}"),
             figure(over_cells(kind, "arrived_again_percent", max), "{:.4f}"),
             figure(over_cells(kind, "first_second_ratio", min), "{:.2f}")] for kind in links if kind.address]
    return table("The same transfers, the worst of the four cells",
                 ["sent again by the guest, %", "received again by the guest, %", "first second / steady state"], rows)


def small_table(results, links, heading, measure, columns):
    """columns: (title, key of the measurement, name of the figure, pattern, ratio to veth wanted)"""
    rows = []
    for kind in links:
        cells = []
        for _, key, name, pattern, is_compared in columns:
            bar = median(results[measure].get(("veth", *key)), name) if is_compared else None
            cells.append(figure(median(results[measure].get((kind.name, *key)), name), pattern, bar))
        if any(cell != "-" for cell in cells):
            rows.append([kind.label, *cells])
    return table(heading, [column[0] for column in columns], rows) if rows else []


def tables(results, about, links):
    lines = [f"Measured {about['date']} with `{about['command']}` on {about['machine']}: medians of {about['rounds']} "
             f"rounds, {about['seconds']} s a run, every network in turn in every round, congestion control "
             f"{about['congestion_control']}. Versions: {'; '.join(about['versions'])}.", ""]
    if results["tcp"]:
        lines += throughput_table(results, links, "tcp", "TCP, one stream: Gbit/s (ratio to veth)")
        lines += quality_table(results, links)
    if results["forward"]:
        lines += throughput_table(results, links, "forward",
                                  "TCP, one stream through a forwarded port: Gbit/s (ratio to veth)")
    lines += small_table(results, links, "TCP, 64 octets there and back on one connection (ratio to veth)", "latency", [
        ("p50, us", (), "p50_us", "{:.1f}", True), ("p99, us", (), "p99_us", "{:.1f}", True)])
    lines += small_table(results, links, "TCP, connect, one octet each way, close; one at a time (ratio to veth)",
                         "connections", [("connections/s", (), "per_second", "{:.0f}", True),
                                         ("p50, us", (), "p50_us", "{:.1f}", True),
                                         ("p99, us", (), "p99_us", "{:.1f}", True)])
    lines += small_table(results, links, "UDP, 1400 octets, as fast as the sender can (ratio to veth)", "udp", [
        (f"{DIRECTIONS[direction]}, {title}", (direction,), name, pattern, is_compared)
        for direction in ("up", "down")
        for title, name, pattern, is_compared in (("arrived/s", "arrived_per_second", "{:.0f}", True),
                                                  ("lost, %", "lost_percent", "{:.1f}", False))])
    lines += small_table(results, links, "From spawn to ready, the median of 20 (slirp4netns as root too here, whatever its row says)", "start", [
        ("ms", (), "milliseconds", "{:.1f}", False)])
    lines += small_table(results, links, "Memory and idle processor time of the process", "resources", [
        ("resident when idle, MB", (), "idle_megabytes", "{:.1f}", False),
        ("after load, MB", (), "after_load_megabytes", "{:.1f}", False),
        ("highest, MB", (), "peak_megabytes", "{:.1f}", False),
        ("ticks/s when idle", (), "idle_ticks_per_second", "{:.2f}", False)])
    return "\n".join(lines).rstrip() + "\n"


def as_json(results, about, failures):
    samples = {measure: {" ".join(map(str, key)): values for key, values in by_key.items()}
               for measure, by_key in results.items() if by_key}
    return json.dumps({"about": about, "samples": samples, "failures": failures}, indent=1) + "\n"


PLOT = """
set terminal svg size 1100,480 font 'Helvetica,13' background rgb 'white'
set output '{path}'
set title "TCP, one stream, Gbit/s (above each bar; in brackets the ratio to a root veth pair)" font ',15'
set style fill solid 1.0 noborder
set boxwidth 0.9 absolute
set yrange [0:{top}]
set xrange [0:{right}]
set xtics ({tics}) scale 0 font ',12' offset 0,-0.3
set ytics nomirror
set border 3 lc rgb '#606060'
set grid y lc rgb '#e4e4e4'
set bmargin 5
set key outside bottom center horizontal spacing 1.2
set ylabel 'Gbit/s'
plot {plots}
"""


def picture(results, links, path):
    """Bars in four groups, by MTU and direction, drawn by gnuplot."""
    shown = [kind for kind in links if any((kind.name, *cell) in results["tcp"] for cell in CELLS)]
    if not shown:
        return
    width = len(shown) + 1.2
    bars = {cell: median(results["tcp"].get(("veth", *cell)), "gbit_per_second") for cell in CELLS}
    data, plots, top = [], [], 1
    for place, kind in enumerate(shown):
        block = f"$data{place}"
        data.append(f"{block} << EOD")
        for group, cell in enumerate(CELLS):
            value = median(results["tcp"].get((kind.name, *cell)), "gbit_per_second")
            if value is None:
                continue
            ratio = f"\\n({value / bars[cell]:.2f})" if bars[cell] else ""
            data.append(f"{group * width + place + 1} {value:.3f} \"{value:.1f}{ratio}\"")
            top = max(top, value)
        data.append("EOD")
        plots.append(f"{block} using 1:2 with boxes lc rgb '{COLOURS[kind.name]}' title '{kind.label}'")
        plots.append(f"{block} using 1:2:3 with labels offset 0,1.3 font ',11' notitle")
    tics = ", ".join(f"'MTU {mtu}, {DIRECTIONS[direction]}' {group * width + (len(shown) + 1) / 2}"
                     for group, (mtu, direction) in enumerate(CELLS))
    script = "\n".join(data) + PLOT.format(path=path, top=top * 1.2, right=len(CELLS) * width, tics=tics,
                                           plots=", \\\n  ".join(plots))
    subprocess.run(["gnuplot"], input=script, text=True, check=True, timeout=60)


def write(directory, results, about, failures, links):
    os.makedirs(directory, exist_ok=True)
    text = tables(results, about, links)
    with open(os.path.join(directory, "table.md"), "w", encoding="utf-8") as file:
        file.write(text)
    with open(os.path.join(directory, "results.json"), "w", encoding="utf-8") as file:
        file.write(as_json(results, about, failures))
    picture(results, links, os.path.join(directory, "throughput.svg"))
    return text
