import os
import tempfile
import unittest

from support import log_text

import percentiles
from stresslib import gatling_log


class Reading(unittest.TestCase):
    def read(self, text):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "simulation.log")
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            return gatling_log.read(path)

    def test_requests_and_users(self):
        log = self.read(log_text(["OK", "KO", "OK"], others=["ERROR\tsomething broke\t1234"]))
        self.assertEqual(log.started_at_ms, 1000)
        self.assertEqual(log.users_started["create then look up"], 3)
        creation = log.requests["creation"]
        self.assertEqual((creation.ok, creation.ko, creation.durations_ms), (2, 1, [0, 1, 2]))
        self.assertEqual(creation.messages, {"Request timeout": 1})
        self.assertTrue(log.complete)
        self.assertEqual(log.ko, 1)

    def test_a_last_line_that_is_cut_off_is_no_error(self):
        whole = log_text(["OK", "OK"])
        log = self.read(whole[:-12])
        self.assertEqual(log.requests["creation"].ok, 2)
        self.assertFalse(log.complete)

    def test_what_is_no_log(self):
        for text in ("", "hello\n", "RUN\tx\n", "RUN\ta\tb\tsoon\tc\td\n", "REQUEST\t\tx\t1\n"):
            with self.assertRaises(gatling_log.LogError):
                self.read(text)
        with self.assertRaisesRegex(gatling_log.LogError, "no such file"):
            gatling_log.read("/nonexistent")


class Percentiles(unittest.TestCase):
    def test_nearest_rank(self):
        hundred = list(range(1, 101))
        self.assertEqual([percentiles.nearest_rank(hundred, p) for p in (50, 75, 95, 99)], [50, 75, 95, 99])
        self.assertEqual(percentiles.nearest_rank([7], 99), 7)
        self.assertEqual(percentiles.nearest_rank([1, 2], 50), 1)
        self.assertEqual(percentiles.nearest_rank([1, 2, 3], 99), 3)

    def test_rows_by_name_and_over_all(self):
        log = gatling_log.SimulationLog(started_at_ms=1)
        log.requests["lookup"] = gatling_log.Requests(ok=2, durations_ms=[9, 1])
        log.requests["creation"] = gatling_log.Requests(ok=2, ko=1, durations_ms=[4, 2, 60_000])
        log.requests["creation"].messages["Request timeout"] = 1
        summary = percentiles.summarize(log)
        self.assertEqual(list(summary["requests"]), [percentiles.ALL, "creation", "lookup"])
        self.assertEqual(
            summary["requests"]["creation"],
            {"count": 3, "ko": 1, "p50_ms": 4, "p75_ms": 60_000, "p95_ms": 60_000, "p99_ms": 60_000, "max_ms": 60_000},
        )
        self.assertEqual(summary["requests"][percentiles.ALL]["count"], 5)
        text = percentiles.table(summary)
        self.assertIn("60,000", text)
        self.assertIn("failed: creation: 1 times: Request timeout", text)

    def test_a_run_without_requests(self):
        summary = percentiles.summarize(gatling_log.SimulationLog(started_at_ms=1))
        self.assertIsNone(summary["requests"][percentiles.ALL]["p99_ms"])
        self.assertIn("-", percentiles.table(summary))


if __name__ == "__main__":
    unittest.main()
