//! What a reviewer would otherwise have to look for: long files, leftovers, links and names that lead
//! nowhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const MAX_LINES: usize = 600;
/// Of a line of prose, in a document or in a comment.
const MAX_COLUMNS: usize = 110;
/// Of a file in git: what is larger stays in every clone for ever.
const MAX_FILE_BYTES: u64 = 256 << 10;
/// Of all runs together that are kept in git.
const MAX_RESULTS_BYTES: u64 = 8 << 20;
/// Of a text in `results`; a longer one is compressed.
const MAX_RESULT_TEXT_BYTES: u64 = 32 << 10;

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file of the repository below `folder` with one of these endings, but for what is made or archived.
fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            if !matches!(name, "target" | ".git" | "results" | "lab-results" | "resources" | "node_modules") {
                found.extend(files(&path, endings));
            }
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            found.push(path);
        }
    }
    found
}

/// Path and size of every file in git; of every file at all where the sources came without their history, as
/// in an image.
fn in_git() -> Vec<(String, u64)> {
    let paths = if top().join(".git").exists() {
        let listed = git(&["ls-files", "-z"]);
        listed.split_terminator('\0').map(|name| top().join(name)).collect()
    } else {
        [files(top(), &[""]), files(&top().join("results"), &[""])].concat()
    };
    let size = |path: &PathBuf| fs::metadata(path).ok().map(|it| it.len());
    // One that is deleted and not yet committed is still listed.
    paths.iter().filter_map(|path| Some((shown(path), size(path)?))).collect()
}

fn git(words: &[&str]) -> String {
    let output = Command::new("git").arg("-C").arg(top()).args(words).output().unwrap();
    assert!(output.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

fn shown(path: &Path) -> String {
    path.strip_prefix(top()).unwrap().display().to_string()
}

#[test]
fn files_hold_one_idea() {
    for path in files(top(), &[".rs", ".py", ".sh", ".scala", ".go", ".js", ".ts"]) {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= MAX_LINES, "{} has {lines} lines", shown(&path));
    }
}

#[test]
fn prose_is_read_without_scrolling() {
    let mut long = Vec::new();
    for path in files(top(), &[".md", ".rs"]) {
        let is_document = path.extension().is_some_and(|ending| ending == "md");
        let mut fenced = false;
        for (number, line) in read(&path).lines().enumerate() {
            let text = if is_document { Some(line) } else { comment(line) };
            let begins = text.unwrap_or_default().trim_start();
            fenced = text.is_some() && fenced != begins.starts_with("```");
            // Tables and pictures cannot be broken, and what is indented in a comment is typed as it stands.
            let whole = begins.starts_with(['|', '!']) || !is_document && line.contains("//!   ");
            let columns = line.chars().count();
            if text.is_some() && !fenced && !whole && columns > MAX_COLUMNS {
                long.push(format!("{}:{}: {columns} columns", shown(&path), number + 1));
            }
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

/// The words of a line that is a comment of Rust and nothing else.
fn comment(line: &str) -> Option<&str> {
    Some(line.trim_start().strip_prefix("//")?.trim_start_matches(['/', '!']))
}

/// Two spellings or two words for one thing make a reader look for a difference.
#[test]
fn documents_have_the_usual_words() {
    let unusual = ["look-up", "time-out", "parted by", "for ever ", "anew", " midst ", " shall "];
    for path in files(top(), &[".md"]) {
        for (number, line) in read(&path).lines().enumerate() {
            let found = unusual.iter().find(|word| line.contains(**word));
            assert!(found.is_none(), "{}:{}: {}", shown(&path), number + 1, found.unwrap());
        }
    }
}

#[test]
fn nothing_is_left_over() {
    // In two parts, or this file would find itself.
    let marks = [["TO", "DO"], ["FIX", "ME"], ["XX", "X"]].map(|parts| parts.concat());
    for path in files(top(), &[".rs", ".py", ".sh", ".scala", ".sql", ".conf", ".yml", ".toml", ".md"]) {
        for (number, line) in fs::read_to_string(&path).unwrap().lines().enumerate() {
            let mut words = line.split(|c: char| !c.is_alphanumeric());
            assert!(
                !words.any(|word| marks.iter().any(|mark| mark == word)),
                "{}:{}: {line}",
                shown(&path),
                number + 1
            );
        }
    }
}

/// A thread that is started otherwise dies silently.
#[test]
fn every_thread_has_its_decision_about_a_panic() {
    let supervised = read(&top().join("docs/supervision.md"));
    for path in files(&top().join("src"), &[".rs"]) {
        let text = read(&path);
        let code = text.split("#[cfg(test)]").next().unwrap();
        let (name, is_test) = (shown(&path), path.ends_with("tests.rs"));
        let bare = ["thread::spawn(", "thread::Builder"].iter().any(|start| code.contains(start));
        assert!(is_test || !bare || name == "src/waiting/life.rs", "{name} starts a thread of its own");
        for start in ["keep(\"", "vital(\"", "once(\"", "begin(\""] {
            // `split_once` is another function.
            let calls = code.match_indices(start).filter(|(at, _)| !code[..*at].ends_with('_'));
            for (_, rest) in calls.map(|(at, _)| code.split_at(at + start.len())) {
                let thread = rest.split('"').next().unwrap();
                assert!(supervised.contains(&format!("`{thread}`")), "docs/supervision.md lacks {thread}");
            }
        }
    }
}

#[test]
fn links_in_the_documents_lead_somewhere() {
    let mut seen = 0;
    for path in files(top(), &[".md"]) {
        let text = fs::read_to_string(&path).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            assert!(target.exists(), "{} links to {link}", shown(&path));
            if !anchor.is_empty() && target.extension().is_some_and(|ending| ending == "md") {
                let headings = fs::read_to_string(&target).unwrap();
                assert!(headings.lines().any(|line| anchor_of(line).as_deref() == Some(anchor)), "{link}");
            }
            seen += 1;
        }
    }
    assert!(seen > 5, "only {seen} links found");
}

/// What a browser would show wrongly: an open block of code, a row of another width than its table, a heading
/// too deep.
#[test]
fn documents_are_well_formed() {
    let mut rows = 0;
    for path in files(top(), &[".md"]) {
        let text = fs::read_to_string(&path).unwrap();
        let (mut in_code, mut titles, mut level, mut width) = (false, 0, 0, None);
        for (number, line) in text.lines().enumerate() {
            let place = format!("{}:{}", shown(&path), number + 1);
            if line.trim_start().starts_with("```") {
                in_code = !in_code;
            }
            if in_code || !line.starts_with('|') {
                width = None;
            } else {
                let here = line.replace("\\|", "").matches('|').count();
                assert_eq!(*width.get_or_insert(here), here, "{place}: a row of another width");
                rows += 1;
            }
            let depth = line.bytes().take_while(|byte| *byte == b'#').count();
            if !in_code && depth > 0 && line[depth..].starts_with(' ') {
                assert!(depth <= level + 1, "{place}: a heading of level {depth} below one of level {level}");
                titles += usize::from(depth == 1);
                level = depth;
            }
        }
        assert!(!in_code, "{}: a block of code has no end", shown(&path));
        assert_eq!(titles, 1, "{}: titles", shown(&path));
    }
    assert!(rows > 50, "only {rows} rows of tables found");
}

/// The anchor that a heading gets: lower case, blanks to hyphens, punctuation dropped.
fn anchor_of(line: &str) -> Option<String> {
    let heading = line.strip_prefix('#')?.trim_start_matches('#').trim();
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    Some(kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect())
}

/// From the top or from the document's own folder. Not those that a reader is told to add, nor those of
/// earlier versions.
#[test]
fn every_place_that_a_document_names_exists() {
    let folders =
        "src tests stress-test deploy results lab peers benches fuzz docs scripts examples .github .ci";
    let mut seen = 0;
    for path in files(top(), &[".md"]) {
        let document = shown(&path);
        if document.starts_with("docs/add-") || document == "CHANGELOG.md" {
            continue;
        }
        let text = read(&path);
        // The first word: a command has arguments.
        let names = text.split('`').skip(1).step_by(2).filter_map(|name| name.split([' ', '\n']).next());
        let is_place = |name: &str| {
            name.split_once('/').is_some_and(|(first, _)| folders.split(' ').any(|folder| folder == first))
        };
        for name in names.filter(|name| is_place(name) && !name.contains(['<', '*', '…', '{'])) {
            let exists = top().join(name).exists() || path.parent().unwrap().join(name).exists();
            assert!(exists, "{document} names {name}");
            seen += 1;
        }
    }
    assert!(seen > 150, "only {seen} names found");
}

/// What is longer than its page belongs below `docs/`.
#[test]
fn first_pages_stay_short() {
    for (name, most) in [("ARCHITECTURE.md", 160), ("README.md", 110), ("README.pt-BR.md", 110)] {
        let lines = read(&top().join(name)).lines().count();
        assert!(lines <= most, "{name} has {lines} lines, and {most} are allowed");
    }
}

/// The commands, the links and the figures of the tables, which have a comma where the others have a point.
#[test]
fn the_readme_says_the_same_in_both_languages() {
    let pages = ["README.md", "README.pt-BR.md"].map(|name| read(&top().join(name)));
    let [english, portuguese] = pages.each_ref().map(|text| {
        let commands: Vec<&str> = text.split("```").skip(1).step_by(2).collect();
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let links: BTreeSet<&str> = links.filter(|link| !link.starts_with("README.")).collect();
        let rows = text.lines().filter(|line| line.starts_with('|'));
        let figures: Vec<String> =
            rows.map(|row| row.chars().filter(char::is_ascii_digit).collect()).collect();
        (commands, links, figures)
    });
    assert!(english.0.len() >= 4 && english.1.len() > 20 && english.2.len() > 8);
    assert_eq!(english, portuguese);
    assert!(pages[0].contains("](README.pt-BR.md)") && pages[1].contains("](README.md)"));
}

#[test]
fn every_room_of_the_server_is_in_the_architecture() {
    let text = fs::read_to_string(top().join("ARCHITECTURE.md")).unwrap();
    for entry in fs::read_dir(top().join("src")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(
            name == "lib.rs" || text.contains(&format!("src/{name}")),
            "src/{name} is not in ARCHITECTURE.md"
        );
    }
}

#[test]
fn nothing_in_git_is_large() {
    for (path, bytes) in in_git() {
        assert!(bytes <= MAX_FILE_BYTES, "{path} has {bytes} bytes");
    }
}

/// What `pouco-lab report` or another tool can make again is not kept, and what is long is kept compressed.
#[test]
fn results_are_small_and_raw() {
    let results: Vec<(String, u64)> =
        in_git().into_iter().filter(|(path, _)| path.starts_with("results/")).collect();
    let sum: u64 = results.iter().map(|(_, bytes)| bytes).sum();
    assert!(sum > 0 && sum <= MAX_RESULTS_BYTES, "results have {sum} bytes");
    for (path, bytes) in &results {
        let name = path.rsplit('/').next().unwrap();
        let made = name == "report.md" || name.ends_with(".html") || name.ends_with(".svg");
        assert!(!made, "{path} can be made again");
        let packed = name.ends_with(".gz");
        let long = name == "record.json" || name.ends_with(".csv") || *bytes > MAX_RESULT_TEXT_BYTES;
        assert!(packed || !long, "{path} with {bytes} bytes is not compressed");
    }
}

#[test]
fn every_kept_run_is_in_the_document_of_its_folder() {
    for folder in fs::read_dir(top().join("results")).unwrap().map(|entry| entry.unwrap().path()) {
        if !folder.is_dir() {
            continue;
        }
        let text = fs::read_to_string(folder.join("README.md")).unwrap();
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            assert!(name == "README" || text.contains(name), "{} is named nowhere", shown(&path));
        }
    }
}

/// Links are looked at above; these are the runs that figures name in plain words.
#[test]
fn runs_that_figures_come_from_exist() {
    let mut seen = 0;
    for path in files(top(), &[".md", "Cargo.toml"]) {
        let text = fs::read_to_string(&path).unwrap();
        let names = text.split('`').skip(1).step_by(2).filter(|name| name.starts_with("results/"));
        for run in names.filter(|name| !name.contains([' ', '\n', '<', '*'])) {
            assert!(top().join(run).exists(), "{} names {run}", shown(&path));
            seen += 1;
        }
    }
    assert!(seen > 30, "only {seen} names of runs found");
}

/// A title with the number of the file's name, and below it whether the decision holds or which one
/// supersedes it.
#[test]
fn every_decision_says_whether_it_holds() {
    let folder = top().join("docs/decisions");
    let decisions = files(&folder, &[".md"]);
    assert!(decisions.len() > 12, "only {} decisions", decisions.len());
    let elsewhere: String = files(top(), &[".md"])
        .iter()
        .filter(|path| !path.starts_with(&folder))
        .map(|path| read(path))
        .collect();
    let mut numbers = BTreeSet::new();
    for path in decisions {
        let name = path.file_name().unwrap().to_str().unwrap();
        let number: u32 = name.split('-').next().unwrap().parse().unwrap();
        assert!(name.starts_with(&format!("{number:04}-")) && numbers.insert(number), "{name}: its number");
        let text = read(&path);
        let [title, "", status, ""] = text.lines().take(4).collect::<Vec<_>>()[..] else {
            panic!("{name}: a title, a status and its text, with an empty line between them");
        };
        assert!(title.starts_with(&format!("# {number}. ")), "{name}: {title}");
        let by = status.strip_prefix("Status: superseded by [").and_then(|rest| rest.split_once("]("));
        let superseded = by.is_some_and(|(by, link)| {
            let target = by.parse().map_or_else(|_| String::new(), |by: u32| format!("{by:04}-"));
            link.strip_suffix(')').is_some_and(|link| link.starts_with(&target) && folder.join(link).exists())
        });
        assert!(status == "Status: holds" || superseded, "{name}: {status}");
        assert!(elsewhere.contains(&format!("decisions/{name}")), "no document links to {name}");
    }
}

/// Git for Windows writes CR LF unless it is told otherwise, and Linux, in WSL or a container, then finds no
/// `bash\r`.
#[test]
fn a_checkout_on_windows_is_the_same_byte_for_byte() {
    if !top().join(".git").exists() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let checkout = |auto: &str| {
        let into = folder.path().join(auto);
        let (setting, prefix) = (format!("core.autocrlf={auto}"), format!("--prefix={}/", into.display()));
        git(&["-c", &setting, "checkout-index", "--all", &prefix]);
        into
    };
    let (plain, windows) = (checkout("false"), checkout("true"));
    let all = in_git();
    assert!(all.len() > 500, "only {} files", all.len());
    for (name, _) in all {
        let bytes = fs::read(plain.join(&name)).unwrap();
        assert!(bytes == fs::read(windows.join(&name)).unwrap(), "{name} changes");
        let travels = name.starts_with("fuzz/corpus/") || name.ends_with(".gz") || name.ends_with(".png");
        assert!(travels || !bytes.contains(&b'\r'), "{name} has CR");
    }
}

/// In a locale with a decimal comma, `times` and awk write 0,5, which is no number in JSON. Scripts of an
/// image have another first line, and an image no locale.
#[test]
fn scripts_do_not_go_by_the_locale_of_who_calls_them() {
    // They write no number, and start Java, which reads names of files by it.
    let exempt = ["stress-test/install-gatling.sh", "stress-test/gatling/bin/gatling.sh"];
    let own = |text: &str| text.lines().any(|line| line == "export LC_ALL=C");
    assert!(own(&fs::read_to_string(top().join("stress-test/stresslib/lab.sh")).unwrap()));
    let mut seen = 0;
    for folder in ["deploy", "fuzz", "stress-test", "tests/stack"] {
        for path in files(&top().join(folder), &[".sh"]) {
            let text = fs::read_to_string(&path).unwrap();
            if !text.starts_with("#!/usr/bin/env bash\n") || exempt.contains(&shown(&path).as_str()) {
                continue;
            }
            let sources = ["/stresslib/lab.sh\"", "/stresslib/common.sh\""];
            let sourced = |line: &str| line.starts_with(". ") && sources.iter().any(|it| line.ends_with(it));
            let sourced = text.lines().any(sourced);
            assert!(own(&text) || sourced, "{} does not set LC_ALL", shown(&path));
            seen += 1;
        }
    }
    assert!(seen > 12, "only {seen} scripts");
}
