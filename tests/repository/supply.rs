//! Where what we are built from comes from: base images by one argument each, Python's packages by their
//! hashes, tools and the crates whose inside we rely on by one version; and nothing that runs has a password
//! that everybody knows.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use crate::workflows::{files, read, top};

/// The lines of a file with those joined that a backslash continues.
fn logical_lines(path: &str) -> Vec<String> {
    read(path).replace("\\\n", " ").lines().map(|line| line.trim().to_owned()).collect()
}

fn named(ends: &[&str]) -> Vec<String> {
    files("").into_iter().filter(|path| ends.iter().any(|end| path.ends_with(end))).collect()
}

/// One name for each base, the same everywhere, so that a release can say which bytes it means by it
/// (`deploy/cd/images.sh bases`). Without an argument it is the tag.
#[test]
fn every_image_takes_its_base_from_a_build_argument() {
    let known: BTreeMap<String, String> = read("deploy/base-images.sh")
        .lines()
        .filter_map(|line| line.strip_prefix("readonly ")?.split_once("_IMAGE="))
        .map(|(name, image)| (format!("{name}_IMAGE"), image.to_owned()))
        .collect();
    assert_eq!(known.keys().collect::<Vec<_>>(), ["DEBIAN_IMAGE", "RUST_IMAGE"]);
    let mut seen = 0;
    for path in named(&["Dockerfile"]) {
        let lines = logical_lines(&path);
        let first = lines.iter().position(|line| line.starts_with("FROM ")).unwrap();
        let arguments: BTreeSet<&str> = lines[..first]
            .iter()
            .filter_map(|line| line.strip_prefix("ARG ")?.split_once('='))
            .map(|(name, image)| {
                assert_eq!(known.get(name).map(String::as_str), Some(image), "{path}: {name}");
                name
            })
            .collect();
        let mut stages = BTreeSet::new();
        let mut used = BTreeSet::new();
        for from in lines.iter().filter_map(|line| line.strip_prefix("FROM ")) {
            let words: Vec<&str> = from.split_whitespace().collect();
            match words[0].strip_prefix("${").and_then(|word| word.strip_suffix('}')) {
                Some(name) => {
                    used.insert(name);
                }
                // One of our own has its base by an argument itself.
                None => assert!(
                    stages.contains(words[0]) || words[0] == "pouco-postgres",
                    "{path}: {from} is no argument and no stage"
                ),
            }
            stages.extend(words.get(2).copied());
        }
        assert_eq!(used, arguments, "{path}");
        seen += 1;
    }
    assert!(seen > 20, "only {seen} Dockerfiles");
}

#[test]
fn pip_takes_nothing_but_files_that_we_know() {
    let mut calls = 0;
    for path in named(&["Dockerfile", ".sh", ".yml", ".ci/run"]) {
        for line in logical_lines(&path).iter().filter(|line| !line.starts_with('#')) {
            if line.contains("/pip install")
                || line.contains("/pip\" install")
                || line.contains("pip3 install")
            {
                let guarded = ["--require-hashes", "--no-deps", "--only-binary :all:"];
                assert!(guarded.iter().all(|word| line.contains(word)), "{path}: {line}");
                calls += 1;
            }
        }
    }
    let mut packages = 0;
    let lists = named(&["requirements.txt"]);
    for path in &lists {
        for line in logical_lines(path).iter().filter(|line| !line.starts_with('#')) {
            let mut words = line.split_whitespace();
            assert!(words.next().is_some_and(|pin| pin.contains("==")), "{path}: {line}");
            let hashes: Vec<&str> = words.collect();
            assert!(!hashes.is_empty(), "{path}: {line} has no hash");
            for hash in hashes {
                let digits = hash.strip_prefix("--hash=sha256:").unwrap_or_default();
                assert!(
                    digits.len() == 64 && digits.bytes().all(|it| it.is_ascii_hexdigit()),
                    "{path}: {line}"
                );
            }
            packages += 1;
        }
    }
    assert!(calls > 10 && lists.len() > 10 && packages > 100, "{calls} calls, {packages} packages");
}

#[test]
fn tools_are_installed_by_version() {
    let mut seen = 0;
    for path in named(&["Dockerfile", ".sh", ".yml", ".ci/run", "docs/operation.md"]) {
        for line in logical_lines(&path) {
            if line.contains("cargo install ") && !line.contains("inferno") {
                assert!(line.contains(" --locked") && line.contains(" --version "), "{path}: {line}");
                seen += 1;
            }
            if line.contains("/go install ") || line.contains(" go install ") {
                assert!(line.contains("@v") || line.contains("$source"), "{path}: {line}");
                seen += 1;
            }
            assert!(!line.contains("npm install"), "{path}: npm ci goes by the lock file and its hashes");
        }
    }
    assert!(seen >= 6, "only {seen} tools");
}

#[test]
fn what_we_rely_on_from_inside_is_exactly_one_version() {
    let manifest = read("Cargo.toml");
    for name in ["may", "generator"] {
        let line = manifest.lines().find(|line| line.starts_with(&format!("{name} = "))).unwrap();
        assert!(line.contains("\"="), "{line}");
    }
}

/// Grafana's own default is one that everybody knows.
#[test]
fn grafana_does_not_start_without_a_password() {
    for path in ["docker-compose.observability.yml", "docker-compose.inventory.yml"] {
        let text = read(path);
        assert!(text.contains("GF_SECURITY_ADMIN_PASSWORD: ${POUCO_GRAFANA_PASSWORD:-}\n"), "{path}");
        assert!(text.contains("entrypoint: [sh, /etc/pouco-grafana/start.sh]\n"), "{path}");
        assert!(text.contains("./deploy/grafana/start.sh:/etc/pouco-grafana/start.sh:ro,z\n"), "{path}");
    }
    for password in [None, Some("")] {
        let mut start = Command::new("sh");
        start.arg(top().join("deploy/grafana/start.sh")).env_remove("GF_SECURITY_ADMIN_PASSWORD");
        start.envs(password.map(|password| ("GF_SECURITY_ADMIN_PASSWORD", password)));
        let output = start.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.lines().count() == 1 && said.contains("POUCO_GRAFANA_PASSWORD is missing"), "{said}");
    }
}
