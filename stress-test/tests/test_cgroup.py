import os
import shutil
import tempfile
import unittest

from support import lay_out

from stresslib import cgroup

CONTAINER = "799d7a677221ef33993a8f6d5ba798a83b007f48c80cb0d8ff14546926b8b159"


class Trees(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = directory.name

    def open(self, tree):
        lay_out(tree, self.root)
        return cgroup.Cgroups(4711, CONTAINER, self.root)

    def test_version_1_beside_an_empty_version_2(self):
        groups = self.open("hybrid")
        self.assertEqual(groups.version, 1)
        sample = groups.sample()
        self.assertEqual(
            sample,
            cgroup.Sample(
                cpu_ns=61_234_567_890,
                throttled_periods=483,
                throttled_ns=17_002_762_173,
                memory_bytes=104_505_344,
                # total_inactive_file, and not the inactive_file of this one folder.
                inactive_file_bytes=100_376_576,
                peak_bytes=104_857_600,
            ),
        )
        self.assertEqual(sample.working_bytes, 4_128_768)
        self.assertEqual(groups.limits(), cgroup.Limits(cpu_cores=0.4, memory_bytes=104_857_600))

    def test_version_2_rootless_below_a_scope(self):
        groups = self.open("rootless-v2")
        self.assertEqual(groups.version, 2)
        self.assertEqual(
            groups.sample(),
            cgroup.Sample(
                cpu_ns=61_234_567_000,
                throttled_periods=483,
                throttled_ns=17_002_762_000,
                memory_bytes=104_505_344,
                inactive_file_bytes=100_376_576,
                peak_bytes=104_857_600,
            ),
        )
        self.assertEqual(groups.limits(), cgroup.Limits(cpu_cores=0.4, memory_bytes=104_857_600))

    def test_a_limit_above_the_container_counts_and_the_peak_may_be_missing(self):
        groups = self.open("docker-v2")
        self.assertIsNone(groups.sample().peak_bytes)
        self.assertEqual(groups.limits(), cgroup.Limits(cpu_cores=0.5, memory_bytes=None))

    def test_controllers_that_are_not_delegated(self):
        groups = self.open("undelegated-v2")
        self.assertEqual(groups.limits(), cgroup.Limits(cpu_cores=None, memory_bytes=None))
        with self.assertRaises(OSError):
            groups.sample()

    def test_a_container_without_a_cgroup_of_its_own(self):
        with self.assertRaisesRegex(cgroup.CgroupError, "not its own"):
            self.open("no-cgroup")

    def test_a_process_that_is_gone_or_in_another_machine(self):
        lay_out("hybrid", self.root)
        with self.assertRaisesRegex(cgroup.CgroupError, "not visible"):
            cgroup.Cgroups(1234567, CONTAINER, self.root)

    def test_a_cgroup_that_ends_while_it_is_watched(self):
        groups = self.open("rootless-v2")
        shutil.rmtree(os.path.join(self.root, "sys"))
        with self.assertRaises(OSError):
            groups.sample()


if __name__ == "__main__":
    unittest.main()
