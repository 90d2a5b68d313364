import contextlib
import csv
import io
import json
import os
import tempfile
import unittest
import xml.etree.ElementTree as xml

import support  # noqa: F401

import monitor
import summarize
from stresslib import cgroup, chart, containers

MIB = 2**20
SECOND = 10**9


class FakeGroups:
    """Answers with the given samples one after the other; None means the cgroup is gone."""

    version = 2

    def __init__(self, *samples):
        self.samples = list(samples)

    def sample(self):
        sample = self.samples.pop(0)
        if sample is None:
            raise FileNotFoundError
        return sample


def sample(cpu_s, throttled=0, memory=10, inactive=0, peak=None):
    return cgroup.Sample(
        cpu_ns=int(cpu_s * SECOND),
        throttled_periods=throttled,
        throttled_ns=throttled * SECOND // 10,
        memory_bytes=memory * MIB,
        inactive_file_bytes=inactive * MIB,
        peak_bytes=None if peak is None else peak * MIB,
    )


LIMITS = cgroup.Limits(cpu_cores=0.5, memory_bytes=100 * MIB)


class Watching(unittest.TestCase):
    def test_counts_from_the_monitors_start(self):
        watched = monitor.Watched("a", FakeGroups(sample(100, 7), sample(100.25, 9)), LIMITS)
        self.assertIsNone(watched.take(0, 0.0).cpu_cores)
        point = watched.take(1, 1.0)
        self.assertAlmostEqual(point.cpu_s, 0.25)
        self.assertAlmostEqual(point.cpu_cores, 0.25)
        self.assertEqual(point.throttled_periods, 2)

    def test_a_restart_between_two_ticks_loses_nothing(self):
        watched = monitor.Watched("a", FakeGroups(sample(10, 5), sample(13, 6), sample(0.5, 1), sample(1, 1)), LIMITS)
        for tick in range(4):
            watched.take(tick, float(tick))
        self.assertAlmostEqual(watched.last.cpu_s, 4.0)
        self.assertEqual(watched.last.throttled_periods, 2)
        self.assertEqual(watched.restarts, 1)

    def test_a_restart_that_was_noticed_loses_nothing(self):
        watched = monitor.Watched("a", FakeGroups(sample(10), sample(13)), LIMITS)
        watched.take(0, 0.0)
        watched.take(1, 1.0)
        # The new incarnation has used more already than the old one: only the notice tells.
        watched.restarted(FakeGroups(sample(14), sample(15)), LIMITS)
        watched.take(2, 2.0)
        self.assertAlmostEqual(watched.take(3, 3.0).cpu_s, 3 + 15)

    def test_no_rate_over_a_fraction_of_a_second(self):
        watched = monitor.Watched("a", FakeGroups(sample(1), sample(2)), LIMITS)
        watched.take(0, 0.0)
        self.assertIsNone(watched.take(1, 0.01).cpu_cores)


class Summary(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.out = directory.name
        self.monitor = monitor.Monitor("podman", ["pouco-a", "pouco-b", "pouco-c"], self.out)
        self.monitor.lost = set()
        self.monitor.look_for_lost = lambda elapsed: None
        a = FakeGroups(sample(1, memory=50), sample(1.2, memory=20), sample(1.4, 3, memory=20, peak=60))
        # b is highest when a is low: the largest sum is not the sum of the largest values.
        b = FakeGroups(sample(5, memory=30, inactive=20), sample(5.1, memory=45, inactive=5), None)
        for name, groups in (("pouco-a", a), ("pouco-b", b)):
            self.monitor.watched[name] = monitor.Watched(name, groups, LIMITS)
        with open(os.path.join(self.out, "monitor.csv"), "w", newline="", encoding="ascii") as file:
            writer = csv.writer(file)
            writer.writerow(monitor.CSV_COLUMNS)
            for tick in range(3):
                self.monitor.tick(tick, writer)
                # Ticks of a test follow each other at once.
                self.monitor._clock -= 1.0

    def test_sums_and_simultaneous_sums(self):
        summary = monitor.summarize(self.monitor)
        a, b, stack = summary["containers"]["pouco-a"], summary["containers"]["pouco-b"], summary["stack"]
        self.assertEqual((a["cpu_s"], b["cpu_s"], stack["cpu_s"]), (0.4, 0.1, 0.5))
        self.assertEqual(a["memory_max_working_bytes"], 50 * MIB)
        self.assertEqual(b["memory_max_working_bytes"], 40 * MIB)
        self.assertEqual(stack["memory_max_working_bytes"], 60 * MIB)
        self.assertEqual(stack["memory_max_raw_bytes"], 80 * MIB)
        self.assertEqual((stack["cpu_limit_cores"], stack["memory_limit_bytes"]), (1.0, 200 * MIB))
        self.assertEqual(a["memory_peak_raw_bytes"], 60 * MIB)
        self.assertIsNone(b["memory_peak_raw_bytes"])
        self.assertIsNone(stack["memory_sum_of_peaks_raw_bytes"])
        self.assertEqual((a["throttled_periods"], a["samples"], b["samples"]), (3, 3, 2))
        self.assertEqual(summary["not_seen"], ["pouco-c"])
        self.assertEqual(self.monitor.lost, {"pouco-b"})

    def test_the_files(self):
        text = monitor.write_results(self.monitor)
        self.assertIn("whole stack", text)
        with open(os.path.join(self.out, "summary.json"), encoding="utf-8") as file:
            self.assertEqual(json.load(file), monitor.summarize(self.monitor))
        with open(os.path.join(self.out, "monitor.csv"), encoding="ascii") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual([row["container"] for row in rows], ["pouco-a", "pouco-b"] * 2 + ["pouco-a"])
        self.assertEqual(rows[0]["memory_raw_bytes"], str(50 * MIB))
        self.assertEqual(rows[0]["cpu_cores"], "")
        xml.parse(os.path.join(self.out, "monitor.svg"))

    def test_a_monitor_that_saw_nothing(self):
        empty = monitor.Monitor("podman", ["pouco-a"], self.out)
        empty.tick_times = [0.0, 1.0]
        self.assertIn("never seen: pouco-a", monitor.write_results(empty))
        xml.parse(os.path.join(self.out, "monitor.svg"))


class LimitFaults(unittest.TestCase):
    def faults(self, limits, cpu=0.5, memory=100 * MIB):
        container = containers.Container("pouco-a", "id", 1, cpu, memory)
        return list(monitor._limit_faults(container, limits))

    def test_limits_that_hold(self):
        self.assertEqual(self.faults(LIMITS), [])
        # A tighter one from above is the container's own affair.
        self.assertEqual(self.faults(cgroup.Limits(0.3, 50 * MIB)), [])

    def test_limits_that_are_missing_or_wider_than_configured(self):
        self.assertEqual(len(self.faults(cgroup.Limits(None, None))), 2)
        self.assertEqual(len(self.faults(cgroup.Limits(0.7, 200 * MIB))), 2)
        self.assertEqual(len(self.faults(cgroup.Limits(None, None), cpu=None, memory=None)), 2)

    def test_the_budget_of_the_contest(self):
        self.assertEqual(list(monitor._budget_faults(1.5, 3 * 2**30)), [])
        self.assertEqual(len(list(monitor._budget_faults(1.6, 3 * 2**30 + 1))), 2)


class Chart(unittest.TestCase):
    def track(self, cpu, limit, memory_limit=None):
        seconds = list(range(len(cpu)))
        memory = [None if value is None else MIB for value in cpu]
        return chart.Track("a<b&c", seconds, cpu, memory, memory, [False] * len(cpu), limit, memory_limit, 1.0)

    def test_limits_are_drawn_or_named_as_missing(self):
        picture = chart.render("t", "s", [self.track([0.1, 0.4, 0.2], 0.5, 2**30)])
        xml.fromstring(picture)
        self.assertIn("limit 0.5 cores", picture)
        self.assertIn("limit 1,024 MiB ↑", picture)
        self.assertIn("no limit holds", chart.render("t", "s", [self.track([0.1], None)]))

    def test_gaps_lift_the_pen(self):
        scale = chart._Scale(0, 0, 4, 1.0, None, 1)
        path = scale.curve([0, 1, 2, 3], [1.0, 0.5, None, 0.5], "cpu")[0]
        self.assertEqual(path.count("M"), 2)

    def test_degenerate_tracks(self):
        for cpu in ([], [None], [0.0], [0.0, 0.0]):
            xml.fromstring(chart.render("t", "s", [self.track(cpu, 0.5)]))

    def test_thinning_keeps_the_highest_value(self):
        points = [(n, 1.0) for n in range(10_000)]
        points[4321] = (4321, 9.0)
        thin = chart.thin_out(points, 600)
        self.assertEqual(len(thin), 600)
        self.assertEqual(max(value for _, value in thin), 9.0)

    def test_steps_are_round(self):
        for span, steps, expected in ((1.5, 4, 0.5), (205, 6, 50), (0.32, 4, 0.1), (64, 4, 20), (4, 4, 1)):
            self.assertEqual(chart.nice_step(span, steps), expected)


class Evaluation(unittest.TestCase):
    def archive(self, directory, number, equal=True, ko=0):
        path = os.path.join(directory, f"run-{number}")
        os.mkdir(path)
        times = {"count": 5, "ko": ko, "p50_ms": 1, "p75_ms": 2, "p95_ms": 3, "p99_ms": 4, "max_ms": 5}
        for name, content in (
            ("run.json", {"limits_hold": True, "generator_cpu_s": 40.5}),
            ("counts.json", {"api": 7, "database": 7, "oracle_low": 7, "oracle_high": 7, "equal": equal}),
            ("percentiles.json", {"requests": {"all requests": times, "creation": times}}),
        ):
            with open(os.path.join(path, name), "w", encoding="utf-8") as file:
                json.dump(content, file)

    def summarize(self, directory):
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            return summarize.main([directory]), printed.getvalue()

    def test_good_runs(self):
        with tempfile.TemporaryDirectory() as directory:
            for number in (1, 2, 10):
                self.archive(directory, number)
            code, text = self.summarize(directory)
            self.assertEqual(code, 0)
            self.assertLess(text.index("run-2"), text.index("run-10"))

    def test_any_fault_fails_the_evaluation(self):
        for fault in ({"equal": False}, {"ko": 3}):
            with tempfile.TemporaryDirectory() as directory:
                self.archive(directory, 1)
                self.archive(directory, 2, **fault)
                code, text = self.summarize(directory)
                self.assertEqual(code, 1)
                self.assertIn("FAULT in run-2", text)

    def test_a_run_without_results(self):
        with tempfile.TemporaryDirectory() as directory:
            os.mkdir(os.path.join(directory, "run-1"))
            self.assertEqual(self.summarize(directory)[0], 1)


if __name__ == "__main__":
    unittest.main()
