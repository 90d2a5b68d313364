//! Limits and figures from recorded trees, and the verdict on limits.

use std::fs;

use pouco_lab::contestant::Role;
use pouco_lab::meters::{Cgroup, Database, Meter, Sample, Target, layout, limits_hold};
use pouco_lab::record::Limits;

use crate::trees::{CONTAINER, PID, Tree};

fn limits(cpus: impl Into<Option<f64>>, memory_bytes: impl Into<Option<u64>>) -> Limits {
    Limits { cpus: cpus.into(), memory_bytes: memory_bytes.into() }
}

const SET: Limits = Limits { cpus: Some(0.4), memory_bytes: Some(104_857_600) };

#[test]
fn version_1_beside_an_empty_version_2() {
    let tree = Tree::new("hybrid");
    let mut cgroup = Cgroup::open(&tree.container()).unwrap();
    let sample = cgroup.sample().unwrap();
    let expected = Sample {
        cpu_ns: 61_234_567_890,
        throttled_ns: Some(17_002_762_173),
        memory_bytes: 104_505_344,
        // total_inactive_file, and not the inactive_file of this one folder.
        inactive_file_bytes: 100_376_576,
        peak_bytes: Some(104_857_600),
        oom_kills: None,
    };
    assert_eq!(sample, expected);
    assert_eq!(sample.working_bytes(), 4_128_768);
    assert_eq!(cgroup.limits().unwrap(), SET);
    assert_eq!(layout(tree.root()).unwrap(), "v1");
}

#[test]
fn version_2_rootless_below_a_scope() {
    let tree = Tree::new("rootless-v2");
    let mut cgroup = Cgroup::open(&tree.container()).unwrap();
    let expected = Sample {
        cpu_ns: 61_234_567_000,
        throttled_ns: Some(17_002_762_000),
        memory_bytes: 104_505_344,
        inactive_file_bytes: 100_376_576,
        peak_bytes: Some(104_857_600),
        oom_kills: None,
    };
    assert_eq!(cgroup.sample().unwrap(), expected);
    assert_eq!(cgroup.limits().unwrap(), SET);
    assert_eq!(layout(tree.root()).unwrap(), "v2");
}

#[test]
fn a_limit_above_the_container_counts_and_the_peak_may_be_missing() {
    let tree = Tree::new("docker-v2");
    let mut cgroup = Cgroup::open(&tree.container()).unwrap();
    assert_eq!(cgroup.sample().unwrap().peak_bytes, None);
    assert_eq!(cgroup.limits().unwrap(), limits(0.5, None));
}

#[test]
fn a_limit_that_is_lifted_is_named_wherever_it_stood() {
    let tree = Tree::new("docker-v2");
    let cgroup = Cgroup::open(&tree.container()).unwrap();
    let set = limits(0.5, None);
    assert_eq!(limits_hold(&set, &cgroup.limits().unwrap()), None);
    tree.write("sys/fs/cgroup/system.slice/cpu.max", "max 100000\n");
    let reason = limits_hold(&set, &cgroup.limits().unwrap()).unwrap();
    assert!(reason.contains("CPU") && reason.contains("no limit"), "{reason}");

    let tree = Tree::new("hybrid");
    let cgroup = Cgroup::open(&tree.container()).unwrap();
    let own = format!("sys/fs/cgroup/memory/libpod_parent/libpod-{CONTAINER}/memory.limit_in_bytes");
    tree.write(&own, "9223372036854771712\n");
    let reason = limits_hold(&SET, &cgroup.limits().unwrap()).unwrap();
    assert!(reason.contains("memory") && reason.contains("no limit"), "{reason}");
    // A folder above still bounds it, and by more than was set.
    tree.write("sys/fs/cgroup/memory/libpod_parent/memory.limit_in_bytes", "209715200\n");
    let reason = limits_hold(&SET, &cgroup.limits().unwrap()).unwrap();
    assert!(reason.contains("104857600") && reason.contains("209715200"), "{reason}");
}

#[test]
fn controllers_that_are_not_delegated_hold_no_limit_and_measure_nothing() {
    let tree = Tree::new("undelegated-v2");
    let mut cgroup = Cgroup::open(&tree.container()).unwrap();
    assert_eq!(cgroup.limits().unwrap(), Limits::default());
    assert!(limits_hold(&SET, &cgroup.limits().unwrap()).unwrap().contains("no limit"));
    let error = format!("{:#}", cgroup.sample().unwrap_err());
    assert!(error.contains("memory.current"), "{error}");
    let error = format!("{:#}", Meter::start(vec![tree.container()], None).unwrap_err());
    assert!(error.contains("api1"), "{error}");
}

#[test]
fn a_container_without_a_cgroup_of_its_own() {
    let error = format!("{:#}", Cgroup::open(&Tree::new("no-cgroup").container()).unwrap_err());
    assert!(error.contains("api1") && error.contains("not its own"), "{error}");
}

#[test]
fn a_process_that_is_gone_or_in_another_machine() {
    let tree = Tree::new("hybrid");
    let gone = Target { pid: 1_234_567, ..tree.container() };
    let error = format!("{:#}", Cgroup::open(&gone).unwrap_err());
    assert!(error.contains("not visible"), "{error}");
}

#[test]
fn limits_are_as_set_within_one_percent_of_the_cpu_and_no_byte_above() {
    assert_eq!(limits_hold(&SET, &limits(0.4039, 104_857_600)), None);
    assert_eq!(limits_hold(&SET, &limits(0.3961, 104_853_504)), None);
    assert!(limits_hold(&SET, &limits(0.405, 104_857_600)).unwrap().contains("0.405"));
    assert!(limits_hold(&SET, &limits(0.395, 104_857_600)).unwrap().contains("0.395"));
    assert!(limits_hold(&SET, &limits(0.4, 104_857_601)).unwrap().contains("104857601"));
    assert!(limits_hold(&SET, &limits(None, 104_857_600)).unwrap().contains("CPU"));
    assert!(limits_hold(&SET, &limits(0.4, None)).unwrap().contains("memory"));
    // What was not set is not asked for.
    assert_eq!(limits_hold(&Limits::default(), &Limits::default()), None);
}

#[test]
fn a_plain_process_has_the_limits_of_its_tree_and_only_those() {
    let own = i32::try_from(std::process::id()).unwrap();
    let tree = Tree::new("rootless-v2");
    let mut recorded = Cgroup::open(&tree.process(own)).unwrap();
    // Its own folder is the innermost, which has limits and no figures: those are of the process that runs.
    assert_eq!(recorded.limits().unwrap(), SET);
    let sample = recorded.sample().unwrap();
    assert!(sample.memory_bytes > 0 && sample.memory_bytes != 104_505_344, "{sample:?}");
    assert!(recorded.pids().unwrap().contains(&own));

    // Where the tree has figures for it, they count.
    let tree = Tree::new("hybrid");
    let mut recorded = Cgroup::open(&tree.process(own)).unwrap();
    assert_eq!(recorded.sample().unwrap().memory_bytes, 104_505_344);

    let live = Target { root: "/".into(), ..tree.process(own) };
    assert_eq!(Cgroup::open(&live).unwrap().limits().unwrap(), Limits::default());
}

#[test]
fn the_peak_begins_anew_and_is_read_where_it_was_reset() {
    let tree = Tree::new("rootless-v2");
    let mut cgroup = Cgroup::open(&tree.container()).unwrap();
    assert!(cgroup.reset_peak());
    let scope = "sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/user.slice";
    let peak = tree.file(&format!("{scope}/libpod-{CONTAINER}.scope/memory.peak"));
    let held = fs::read_to_string(&peak).unwrap().trim().parse().unwrap();
    assert_ne!(held, 104_857_600, "nothing was written");
    // The kernel keeps the new peak for this descriptor alone: another file in its place must not be read.
    let other = tree.file("other");
    fs::write(&other, "7\n").unwrap();
    fs::rename(other, peak).unwrap();
    assert_eq!(cgroup.sample().unwrap().peak_bytes, Some(held));

    let without = Tree::new("docker-v2");
    assert!(!Cgroup::open(&without.container()).unwrap().reset_peak());
}

#[test]
fn processes_in_folders_below_the_container_are_its_own() {
    let tree = Tree::new("hybrid");
    let own = format!("sys/fs/cgroup/memory/libpod_parent/libpod-{CONTAINER}");
    // 0 is a process of a namespace that is not visible from here.
    tree.write(&format!("{own}/cgroup.procs"), "4711\n4712\n0\n");
    tree.write(&format!("{own}/workers/cgroup.procs"), "4713\n");
    tree.write("sys/fs/cgroup/memory/libpod_parent/cgroup.procs", "99\n");
    let mut pids = Cgroup::open(&tree.container()).unwrap().pids().unwrap();
    pids.sort_unstable();
    assert_eq!(pids, [PID, 4712, 4713]);
}

#[test]
fn the_database_s_clients_are_counted_by_their_titles() {
    let tree = Tree::new("hybrid");
    let own = format!("sys/fs/cgroup/memory/libpod_parent/libpod-{CONTAINER}");
    tree.write(&format!("{own}/cgroup.procs"), "4711\n4712\n4713\n4714\n4715\n");
    tree.write("proc/4711/cmdline", "postgres\0-D\0/data\0");
    tree.write("proc/4712/cmdline", "postgres: walwriter \0\0\0");
    tree.write("proc/4713/cmdline", "postgres: pouco people [local] idle\0\0");
    tree.write("proc/4714/cmdline", "postgres: pouco people [local] COMMIT\0\0");
    tree.write("proc/4715/cmdline", "postgres: postgres people [local] idle\0\0");
    let postgres = Target { service: "postgres".into(), role: Some(Role::Database), ..tree.container() };
    let database = |service: &str| Some(Database { service: service.into(), user: "pouco".into() });
    let peak = |targets: &[Target], database| {
        Meter::start(targets.to_vec(), database).unwrap().stop().unwrap().database_connections_peak
    };
    assert_eq!(peak(std::slice::from_ref(&postgres), database("postgres")), Some(2));
    assert_eq!(peak(std::slice::from_ref(&postgres), None), None);
    assert_eq!(peak(&[postgres], database("another")), None);
}

#[test]
fn a_meter_counts_from_its_start_and_tells_when_a_container_is_gone() {
    let tree = Tree::new("hybrid");
    let meter = Meter::start(vec![tree.container()], None).unwrap();
    let own = format!("libpod_parent/libpod-{CONTAINER}");
    tree.write(&format!("sys/fs/cgroup/cpuacct/{own}/cpuacct.usage"), "63234567890\n");
    tree.write(&format!("sys/fs/cgroup/memory/{own}/memory.usage_in_bytes"), "204505344\n");
    let report = meter.stop().unwrap();
    let usage = &report.resources.services["api1"];
    assert!((usage.cpu_seconds - 2.0).abs() < 1e-6, "{usage:?}");
    assert_eq!(usage.throttled_seconds, Some(0.0));
    assert_eq!(usage.memory_bytes, 204_505_344 - 100_376_576);
    assert_eq!(report.resources.total.memory_bytes, usage.memory_bytes);
    assert_eq!(report.notes, Vec::<String>::new());

    // The kernel counts a container that is started again from 0.
    let meter = Meter::start(vec![tree.container()], None).unwrap();
    tree.write(&format!("sys/fs/cgroup/cpuacct/{own}/cpuacct.usage"), "500000000\n");
    let report = meter.stop().unwrap();
    assert!((report.resources.total.cpu_seconds - 0.5).abs() < 1e-6, "{report:?}");
    assert!(report.notes.len() == 1 && report.notes[0].ends_with("started again"), "{:?}", report.notes);

    let meter = Meter::start(vec![tree.container()], None).unwrap();
    fs::remove_dir_all(tree.file("sys")).unwrap();
    let report = meter.stop().unwrap();
    assert!(report.notes.len() == 1 && report.notes[0].starts_with("api1: after"), "{:?}", report.notes);
}

#[test]
fn the_total_s_memory_is_the_largest_sum_at_one_time_and_not_the_sum_of_peaks() {
    let trees = [Tree::new("hybrid"), Tree::new("hybrid")];
    let usage = format!("sys/fs/cgroup/memory/libpod_parent/libpod-{CONTAINER}/memory.usage_in_bytes");
    let inactive = 100_376_576;
    let set = |tree: usize, working: u64| trees[tree].write(&usage, &format!("{}\n", inactive + working));
    set(0, 50_000_000);
    set(1, 1_000_000);
    let second = Target { service: "api2".into(), ..trees[1].container() };
    let meter = Meter::start(vec![trees[0].container(), second], None).unwrap();
    set(0, 2_000_000);
    set(1, 40_000_000);
    let resources = meter.stop().unwrap().resources;
    assert_eq!(resources.services["api1"].memory_bytes, 50_000_000);
    assert_eq!(resources.services["api2"].memory_bytes, 40_000_000);
    assert_eq!(resources.total.memory_bytes, 51_000_000);
    // Of the raw peak only each service's own is known.
    assert_eq!(resources.total.memory_raw_peak_bytes, Some(2 * 104_857_600));
}

#[test]
fn what_the_kernel_kills_for_want_of_memory_is_told() {
    let v1 = format!("sys/fs/cgroup/memory/libpod_parent/libpod-{CONTAINER}/memory.oom_control");
    let user = "sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/user.slice";
    let v2 = format!("{user}/libpod-{CONTAINER}.scope/memory.events");
    for (name, file, before, after) in [
        ("hybrid", v1, "under_oom 0\noom_kill 2\n", "under_oom 0\noom_kill 5\n"),
        ("rootless-v2", v2, "oom 1\noom_kill 2\n", "oom 3\noom_kill 5\noom_group_kill 7\n"),
    ] {
        let tree = Tree::new(name);
        tree.write(&file, before);
        let meter = Meter::start(vec![tree.container()], None).unwrap();
        tree.write(&file, after);
        let report = meter.stop().unwrap();
        assert_eq!(report.resources.services["api1"].oom_kills, Some(3), "{name}");
        assert_eq!(report.resources.total.oom_kills, Some(3), "{name}");
        assert!(
            report.notes.contains(&"api1: 3 processes were killed for want of memory".to_owned()),
            "{name}"
        );
    }
}

#[test]
fn containers_of_one_service_and_those_that_nobody_declared_are_added_up() {
    let trees = [Tree::new("hybrid"), Tree::new("hybrid")];
    let targets = trees.iter().map(|tree| Target { role: Some(Role::Api), ..tree.container() }).collect();
    let meter = Meter::start(targets, None).unwrap();
    for tree in &trees {
        let file = format!("sys/fs/cgroup/cpuacct/libpod_parent/libpod-{CONTAINER}/cpuacct.usage");
        assert!(tree.file(&file).exists(), "{file}");
        tree.write(&file, "63234567890\n");
    }
    let resources = meter.stop().unwrap().resources;
    assert_eq!(resources.services.len(), 1);
    assert_eq!(resources.services["api1"].role, Some(Role::Api));
    assert_eq!(resources.services["api1"].memory_bytes, 2 * 4_128_768);
    assert!((resources.services["api1"].cpu_seconds - 4.0).abs() < 1e-9, "{resources:?}");
    assert!((resources.total.cpu_seconds - 4.0).abs() < 1e-9, "{resources:?}");
}
