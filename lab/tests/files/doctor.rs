//! The doctor's checks over facts of machines that we do not have, and once over this one.

use std::path::{Path, PathBuf};

use pouco_lab::contest::Budget;
use pouco_lab::doctor::{
    Engine, EngineKind, Facts, Finding, Gatling, Kernel, Mark, Settings, Tool, judge, run,
};

fn settings() -> Settings {
    Settings {
        top: Path::new(env!("CARGO_MANIFEST_DIR")).join(".."),
        budget: Budget {
            cpus: 1.5,
            memory_bytes: 3_000_000_000,
            database_connections: 20,
            ..Budget::default()
        },
        port: 9999,
        gatling_home: None,
    }
}

fn tool(name: &str, version: &str) -> Tool {
    Tool { name: name.into(), version: Some(version.into()) }
}

/// A machine on which nothing is missing.
fn good() -> Facts {
    Facts {
        engine: Ok(Engine {
            kind: EngineKind::Podman,
            version: "5.4.2".into(),
            rootless: false,
            runtime: "runc".into(),
            controllers: Some(vec!["cpu".into(), "memory".into(), "pids".into()]),
            storage: Some("/storage".into()),
        }),
        compose: Some(tool("podman-compose", "1.6.0")),
        cgroups: Ok("v2".into()),
        missing_images: Some(vec![]),
        port_taken: None,
        open_files: Some(20_000),
        gatling: Gatling {
            found: Some(("/gatling".into(), Some("3.9.5".into()))),
            places: vec!["/gatling".into()],
        },
        java: Some(tool("java", "17.0.15")),
        k6: Some(tool("k6", "1.3.0")),
        chromium: Some(tool("chromium", "142.0")),
        free_bytes: vec![("results", 20 << 30)],
        cores: 2,
        memory_bytes: 8 << 30,
        available_bytes: 6 << 30,
        load_average: 0.1,
        kernel: Kernel {
            local_ports: Some((32_768, 60_999)),
            tcp_tw_reuse: Some(2),
            tcp_max_tw_buckets: Some(131_072),
            somaxconn: Some(4_096),
            conntrack_max: Some(262_144),
        },
    }
}

/// What is not ok about the good machine with one thing changed: exactly one finding.
fn only(change: impl FnOnce(&mut Facts)) -> Finding {
    let mut facts = good();
    change(&mut facts);
    let mut findings = judge(&facts, &settings());
    findings.retain(|finding| finding.mark != Mark::Ok);
    assert_eq!(findings.len(), 1, "{findings:?}");
    findings.remove(0)
}

fn engine(facts: &mut Facts) -> &mut Engine {
    facts.engine.as_mut().unwrap()
}

#[test]
fn nothing_is_wrong_with_a_good_machine() {
    let findings = judge(&good(), &settings());
    assert!(findings.len() > 15 && findings.iter().all(|finding| finding.mark == Mark::Ok), "{findings:?}");
}

#[test]
fn what_no_contest_runs_without_is_missing() {
    let without_delegation = only(|facts| {
        engine(facts).rootless = true;
        engine(facts).controllers = Some(vec!["pids".into()]);
    });
    assert!(without_delegation.found.contains("cpu and memory"), "{without_delegation}");
    assert!(without_delegation.remedy.contains("Delegate="), "{without_delegation}");
    let crun = only(|facts| {
        engine(facts).runtime = "crun".into();
        facts.cgroups = Ok("v1".into());
    });
    let missing = [
        without_delegation,
        crun,
        only(|facts| engine(facts).controllers = Some(vec!["cpu".into()])),
        only(|facts| facts.compose = None),
        only(|facts| facts.cgroups = Err("no cgroup file system is mounted".into())),
        only(|facts| facts.port_taken = Some("another program listens on it".into())),
        only(|facts| facts.open_files = Some(19_999)),
        only(|facts| facts.cores = 1),
        only(|facts| facts.memory_bytes = 2 << 30),
        only(|facts| facts.free_bytes = vec![("results", 1 << 30)]),
    ];
    for finding in missing {
        assert_eq!(finding.mark, Mark::Missing, "{finding}");
        assert!(!finding.remedy.is_empty(), "{finding}");
    }
}

#[test]
fn an_engine_that_is_not_there_is_missing_with_all_that_hangs_on_it() {
    let facts =
        Facts { engine: Err("no podman; no docker".into()), compose: None, missing_images: None, ..good() };
    let findings = judge(&facts, &settings());
    let marked = |name: &str| {
        let finding = findings.iter().find(|finding| finding.name == name).unwrap();
        assert!(finding.remedy.contains("deploy/install-podman.sh"), "{finding}");
        finding.mark
    };
    assert_eq!(marked("container engine"), Mark::Missing);
    assert_eq!(marked("compose"), Mark::Missing);
    assert_eq!(marked("base images"), Mark::Warning);
}

#[test]
fn what_makes_figures_doubtful_is_a_warning() {
    let warnings = [
        only(|facts| facts.missing_images = Some(vec!["docker.io/library/debian:trixie-slim".into()])),
        only(|facts| engine(facts).controllers = None),
        only(|facts| facts.available_bytes = 3 << 30),
        only(|facts| facts.free_bytes = vec![("results", 5 << 30)]),
        only(|facts| facts.load_average = 1.4),
        only(|facts| facts.kernel.tcp_tw_reuse = Some(0)),
        only(|facts| facts.kernel.local_ports = None),
        only(|facts| facts.kernel.somaxconn = Some(128)),
        only(|facts| facts.kernel.conntrack_max = Some(65_536)),
    ];
    for finding in warnings {
        assert_eq!(finding.mark, Mark::Warning, "{finding}");
    }
    // Enough ports for the peak need not be used again at once.
    let mut wide = good();
    wide.kernel.tcp_tw_reuse = Some(0);
    wide.kernel.local_ports = Some((1_024, 65_000));
    assert!(judge(&wide, &settings()).iter().all(|finding| finding.mark == Mark::Ok));
    // The generator has a core for itself only beside a smaller budget.
    let larger = Settings { budget: Budget { cpus: 1.75, ..settings().budget }, ..settings() };
    let cores = judge(&good(), &larger).into_iter().find(|finding| finding.name == "cores").unwrap();
    assert_eq!(cores.mark, Mark::Warning);
}

#[test]
fn what_only_another_generator_or_a_picture_needs_is_optional() {
    let gatling = only(|facts| {
        facts.gatling = Gatling { found: None, places: vec![PathBuf::from("/home/a/bin/gatling-3.9.5")] };
    });
    assert!(gatling.found.contains("/home/a/bin/gatling-3.9.5"), "{gatling}");
    assert!(gatling.remedy.contains("stress-test/install-gatling.sh"), "{gatling}");
    let optional = [
        gatling,
        only(|facts| facts.java = None),
        only(|facts| facts.java = Some(tool("java", "1.8.0_392"))),
        only(|facts| facts.k6 = None),
        only(|facts| facts.chromium = None),
    ];
    for finding in optional {
        assert_eq!(finding.mark, Mark::Optional, "{finding}");
    }
}

#[test]
fn every_script_that_is_named_is_in_the_repository_and_no_registry_is_named() {
    let nothing = Facts {
        engine: Err("none".into()),
        compose: None,
        missing_images: None,
        java: None,
        k6: None,
        chromium: None,
        gatling: Gatling { found: None, places: vec![] },
        ..good()
    };
    let lines: Vec<String> = judge(&nothing, &settings()).iter().map(ToString::to_string).collect();
    let text = lines.join("\n");
    let mut scripts = 0;
    for word in text.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';')) {
        if word.ends_with(".sh") {
            assert!(settings().top.join(word).is_file(), "{word}");
            scripts += 1;
        }
    }
    assert!(scripts >= 4, "{text}");
    for host in ["proxy.golang", "pypi", "crates.", "npmjs", "maven.org", "debian.org"] {
        assert!(!text.contains(host), "{text}");
    }
}

#[test]
fn this_machine_gets_a_line_for_each_check_and_a_verdict_that_fits_them() {
    let mut out = Vec::new();
    // Whichever port is free: another test's contest may be on any other.
    let can_run = run(&mut out, &Settings { port: 0, ..settings() }).unwrap();
    let text = String::from_utf8(out).unwrap();
    print!("{text}");
    let missing = text.lines().filter(|line| line.starts_with("missing ")).count();
    assert_eq!(can_run, missing == 0, "{text}");
    for name in ["container engine", "compose", "cgroups", "port", "open files", "memory", "Gatling"] {
        assert!(text.contains(&format!("  {name}: ")), "{name} in {text}");
    }
    assert_eq!(text.lines().last().unwrap() == "a contest can run here", can_run);
}
