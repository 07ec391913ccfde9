"""The bars that slirpnet must pass; `bench/compare --check` fails when one is missed."""

from report import CELLS, DIRECTIONS, median

OURS = ("slirpnet", "slirpnet-user")


def judge(results):
    """Gives (text, passed) for each bar that was measured."""
    verdicts = []

    def bar(text, value, passed):
        if value is not None:
            verdicts.append((f"{text}: {value:.4g}", passed(value)))

    for name in OURS:
        for cell in CELLS:
            key = (name, *cell)
            samples = results["tcp"].get(key)
            where = f"{name}, MTU {cell[0]}, {DIRECTIONS[cell[1]]}"
            ours, veth = median(samples, "gbit_per_second"), median(results["tcp"].get(("veth", *cell)),
                                                                    "gbit_per_second")
            bar(f"{where}, ratio to veth (at least 0.85)", ours / veth if ours is not None and veth else None,
                lambda value: value >= 0.85)
            for side in ("retransmitted_percent", "arrived_again_percent"):
                bar(f"{where}, {side} (below 0.01)", median(samples, side), lambda value: value < 0.01)
            bar(f"{where}, first second to steady state (at least 0.7)", median(samples, "first_second_ratio"),
                lambda value: value >= 0.7)
        for cell in CELLS:
            ours = median(results["forward"].get((name, *cell)), "gbit_per_second")
            veth = median(results["forward"].get(("veth", *cell)), "gbit_per_second")
            bar(f"{name}, forwarded port, MTU {cell[0]}, {DIRECTIONS[cell[1]]}, ratio to veth (at least 0.85)",
                ours / veth if ours is not None and veth else None, lambda value: value >= 0.85)
        bar(f"{name}, resident when idle, MB (below 25)", median(results["resources"].get((name,)), "idle_megabytes"),
            lambda value: value < 25)
    start = median(results["start"].get(("slirpnet",)), "milliseconds")
    peer = median(results["start"].get(("slirp4netns",)), "milliseconds")
    bar("slirpnet, spawn to ready, ms (below 30)", start, lambda value: value < 30)
    bar("slirpnet, spawn to ready, times slirp4netns (at most 4)", start / peer if start and peer else None,
        lambda value: value <= 4)
    return verdicts
