//! What the workflows in `.github` promise: that nothing in them is without a bound or a fixed version, that
//! what they call is there, and that a file can start them. Their syntax is actionlint's matter
//! (`tests/workflows.sh`).

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

pub(crate) fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(top().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every file below `folder`, by its path from the top, but for what is made.
pub(crate) fn files(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(top().join(folder)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        if !entry.file_type().unwrap().is_dir() {
            found.push(path);
        } else if !matches!(name.as_str(), "target" | ".git" | ".cache" | "node_modules" | "lab-results") {
            found.extend(files(&path));
        }
    }
    found
}

/// Name and text of every workflow.
fn workflows() -> Vec<(String, String)> {
    let found: Vec<(String, String)> = files(".github/workflows")
        .into_iter()
        .map(|path| (Path::new(&path).file_stem().unwrap().to_str().unwrap().to_owned(), read(&path)))
        .collect();
    assert!(found.len() >= 6, "{} workflows", found.len());
    found
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The lines that stand below `header`, as our files are written: deeper by two blanks, and no list on its
/// key's level.
fn below<'a>(lines: &[&'a str], header: &str) -> Vec<&'a str> {
    let Some(at) = lines.iter().position(|line| *line == header) else { return Vec::new() };
    let deeper = |line: &&&str| line.trim().is_empty() || indent(line) > indent(header);
    lines[at + 1..].iter().take_while(deeper).copied().collect()
}

/// The paths that start a workflow when `event` changes one of them.
fn paths<'a>(text: &'a str, event: &str) -> Vec<&'a str> {
    let lines: Vec<&str> = text.lines().collect();
    let filter = below(&below(&below(&lines, "on:"), &format!("  {event}:")), "    paths:");
    filter
        .iter()
        .filter_map(|line| line.trim().strip_prefix("- "))
        .map(|item| item.trim_matches('"'))
        .collect()
}

/// GitHub's patterns as far as they are used here: `*` does not go past a slash, `**` does, `**/` may be
/// nothing.
fn matches(pattern: &str, path: &str) -> bool {
    if let Some(rest) = pattern.strip_prefix("**/") {
        return matches(rest, path) || path.match_indices('/').any(|(at, _)| matches(rest, &path[at + 1..]));
    }
    if let Some(rest) = pattern.strip_prefix("**") {
        return path.char_indices().any(|(at, _)| matches(rest, &path[at..])) || matches(rest, "");
    }
    if let Some(rest) = pattern.strip_prefix('*') {
        let segment = path.split('/').next().unwrap_or_default();
        let mut ends = segment.char_indices().map(|(at, _)| at).chain([segment.len()]);
        return ends.any(|at| matches(rest, &path[at..]));
    }
    match (pattern.chars().next(), path.chars().next()) {
        (None, None) => true,
        (Some(one), Some(other)) if one == other => {
            matches(&pattern[one.len_utf8()..], &path[one.len_utf8()..])
        }
        _ => false,
    }
}

#[test]
fn patterns_match_as_on_github() {
    for (pattern, path) in [
        ("**.md", "README.md"),
        ("**.md", "docs/faults.md"),
        ("**/Cargo.lock", "Cargo.lock"),
        ("**/Cargo.lock", "peers/actix/Cargo.lock"),
        ("Cargo.*", "Cargo.toml"),
        ("src/**", "src/http/mod.rs"),
        ("peers/*/*.toml", "peers/express/contestant.toml"),
        ("/peers/**/*", "/peers/express"),
    ] {
        assert!(matches(pattern, path), "{pattern} {path}");
    }
    for (pattern, path) in [
        ("Cargo.*", "lab/Cargo.toml"),
        ("src/**", "lab/src/lib.rs"),
        ("peers/*/*.toml", "peers/express/src/app.toml"),
        ("*", "a/b"),
        ("nginx.conf", "nginx.conf.old"),
        ("**.md", "readme.mdx"),
    ] {
        assert!(!matches(pattern, path), "{pattern} {path}");
    }
}

#[test]
fn a_pull_request_starts_what_a_push_does_and_every_pattern_is_of_use() {
    let files = files("");
    for (name, text) in workflows() {
        let patterns = paths(&text, "push");
        assert!(!patterns.is_empty(), "{name} has no paths");
        assert_eq!(patterns, paths(&text, "pull_request"), "{name}");
        for pattern in patterns {
            assert!(files.iter().any(|path| matches(pattern, path)), "{name}: no file is like {pattern}");
        }
    }
}

#[test]
fn every_workflow_may_only_read_and_every_job_ends() {
    for (name, text) in workflows() {
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(below(&lines, "permissions:"), ["  contents: read", ""], "{name}");
        let concurrency = below(&lines, "concurrency:");
        assert!(concurrency.contains(&"  cancel-in-progress: true"), "{name}: an older run goes on");
        assert_eq!(text.matches("permissions:").count(), 1, "{name}: a job has permissions of its own");

        let jobs = below(&lines, "jobs:");
        let names: Vec<&&str> = jobs.iter().filter(|line| indent(line) == 2 && line.ends_with(':')).collect();
        assert!(!names.is_empty(), "{name} has no jobs");
        for job in names {
            let body = below(&jobs, job);
            let has = |key: &str| body.iter().any(|line| line.starts_with(&format!("    {key}: ")));
            assert!(has("timeout-minutes"), "{name}: {job} may run for ever");
            // A machine that is another one next year would be another machine.
            assert!(body.contains(&"    runs-on: ubuntu-24.04"), "{name}: {job} runs on what?");
        }
    }
}

/// What is the same for all jobs of a matrix is built before it, and handed over.
#[test]
fn a_matrix_compiles_nothing_that_is_the_same_for_all() {
    let mut seen = 0;
    for (name, text) in workflows() {
        let lines: Vec<&str> = text.lines().collect();
        let jobs = below(&lines, "jobs:");
        for job in jobs.iter().filter(|line| indent(line) == 2 && line.ends_with(':')) {
            let body = below(&jobs, job);
            if body.contains(&"      matrix:") {
                assert!(!body.iter().any(|line| line.contains("cargo ")), "{name}: {job} compiles");
                seen += 1;
            }
        }
    }
    assert!(seen >= 2, "only {seen} matrices");
}

#[test]
fn every_action_is_ours_or_fixed_to_a_commit() {
    let mut seen = 0;
    for path in files(".github").iter().filter(|path| path.ends_with(".yml")) {
        for line in read(path).lines() {
            let Some(action) = line.trim().trim_start_matches("- ").strip_prefix("uses: ") else { continue };
            seen += 1;
            if let Some(own) = action.strip_prefix("./") {
                assert!(top().join(own).join("action.yml").is_file(), "{path}: {action}");
                continue;
            }
            let (_, pinned) = action.split_once('@').unwrap_or_else(|| panic!("{path}: {action}"));
            let (commit, version) = pinned.split_once(" # v").unwrap_or_else(|| panic!("{path}: {action}"));
            assert!(
                commit.len() == 40 && commit.bytes().all(|it| it.is_ascii_hexdigit()),
                "{path}: {action}"
            );
            assert!(version.starts_with(|it: char| it.is_ascii_digit()), "{path}: {action}");
        }
    }
    assert!(seen > 20, "only {seen} actions found");
}

/// On GitHub and in `.ci/run` alike.
#[test]
fn every_script_that_is_called_is_there_and_can_be_run() {
    let mut seen = 0;
    let callers = files(".github").into_iter().filter(|path| path.ends_with(".yml"));
    for path in callers.chain([".ci/run".to_owned()]) {
        let text = read(&path);
        let words = text.lines().filter(|line| !line.trim_start().starts_with('#')).flat_map(|line| {
            line.split(|it: char| it.is_whitespace() || it == ';').filter(|word| word.ends_with(".sh"))
        });
        for script in words.filter(|word| word.contains('/') && !word.starts_with(['"', '*'])) {
            let found = fs::metadata(top().join(script)).unwrap_or_else(|_| panic!("{path} calls {script}"));
            assert!(found.permissions().mode() & 0o111 != 0, "{script} cannot be run");
            seen += 1;
        }
    }
    assert!(seen > 15, "only {seen} scripts found");
}

#[test]
fn newer_versions_are_looked_for_everywhere() {
    let text = read(".github/dependabot.yml");
    let mut ecosystem = "";
    let mut watched: Vec<(&str, &str)> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.trim().strip_prefix("- package-ecosystem: ") {
            ecosystem = name;
        } else if let Some(folders) = line.trim().strip_prefix("directories: ") {
            watched.extend(folders.split('"').skip(1).step_by(2).map(|folder| (ecosystem, folder)));
        }
    }
    let mut seen = BTreeSet::new();
    for path in files("") {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
        let (ecosystem, folder) = match name {
            // A member of a workspace has no lock file of its own.
            "Cargo.lock" => ("cargo", folder),
            "go.mod" => ("gomod", folder),
            "package.json" => ("npm", folder),
            "requirements.txt" => ("pip", folder),
            "action.yml" => ("github-actions", folder),
            _ if folder == ".github/workflows" => ("github-actions", ""),
            _ => continue,
        };
        let folder = format!("/{folder}");
        let found = watched.iter().any(|(kind, pattern)| *kind == ecosystem && matches(pattern, &folder));
        assert!(found, "{path}: not in .github/dependabot.yml for {ecosystem}");
        seen.insert(ecosystem);
    }
    assert_eq!(seen.len(), 5, "{seen:?}");
}

/// One version of Rust: for the workflows, for images, and for the image that is made where none can be
/// pulled.
#[test]
fn every_place_names_the_same_rust() {
    let manifest = read("Cargo.toml");
    let version = manifest.lines().find_map(|line| line.strip_prefix("rust-version = \"")).unwrap();
    let version = version.trim_end_matches('"');
    assert!(read("deploy/base-images.sh").contains(&format!("readonly RUST_VERSION={version}\n")));
    let mut seen = 0;
    for path in files("").iter().filter(|path| path.ends_with("Dockerfile")) {
        for line in read(path).lines() {
            let Some((_, tag)) = line.split_once("/rust:") else { continue };
            assert!(tag.starts_with(&format!("{version}-")), "{path}: {line}");
            seen += 1;
        }
    }
    assert!(seen >= 2, "only {seen} images with Rust");
}
