//! A record that is kept compressed is as good as one that a run has just left.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use flate2::Compression;
use flate2::write::GzEncoder;
use pouco_lab::archive;
use tempfile::TempDir;

fn lab(words: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pouco-lab")).args(words).current_dir(folder).output().unwrap()
}

fn packed(text: &str) -> Vec<u8> {
    let mut into = GzEncoder::new(Vec::new(), Compression::best());
    into.write_all(text.as_bytes()).unwrap();
    into.finish().unwrap()
}

fn text() -> String {
    serde_json::to_string_pretty(&crate::sample::record()).unwrap()
}

/// A folder with `plain/record.json` and `kept/record.json.gz`.
fn both() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["plain", "kept"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    fs::write(folder.path().join("plain/record.json"), text()).unwrap();
    fs::write(folder.path().join("kept/record.json.gz"), packed(&text())).unwrap();
    folder
}

#[test]
fn a_report_of_a_packed_record_is_that_of_the_record() {
    let folder = both();
    let report = |record: &str| {
        let output = lab(&["report", record], folder.path());
        assert!(output.status.success(), "{record}: {}", String::from_utf8_lossy(&output.stderr));
        ["report.html", "report.md", "summary.svg"].map(|name| {
            let file = folder.path().join(record.split('/').next().unwrap()).join(name);
            let text = fs::read_to_string(&file).unwrap();
            fs::remove_file(file).unwrap();
            text
        })
    };
    let plain = report("plain");
    assert!(plain.iter().all(|text| text.contains("pouco")));
    assert!(plain == report("kept") && plain == report("kept/record.json.gz"));
}

#[test]
fn packed_and_plain_can_be_compared() {
    let folder = both();
    for pair in [["plain", "kept"], ["kept", "plain"], ["kept/record.json.gz", "plain/record.json"]] {
        let output = lab(&["compare", pair[0], pair[1]], folder.path());
        let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(0), "{pair:?}: {out}{error}");
        assert!(out.contains("pouco"), "{pair:?}: {out}");
    }
}

#[test]
fn what_is_no_record_is_one_line_and_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let whole = packed(&text());
    for (name, bytes) in [("cut", &whole[..whole.len() / 2]), ("other", &packed("{}")[..])] {
        fs::create_dir(folder.path().join(name)).unwrap();
        fs::write(folder.path().join(name).join("record.json.gz"), bytes).unwrap();
    }
    fs::create_dir(folder.path().join("empty")).unwrap();
    for name in ["cut", "other", "empty", "nowhere"] {
        let output = lab(&["report", name], folder.path());
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{name}: {error}");
        assert!(error.lines().count() == 1 && error.contains(name), "{name}: {error}");
    }
}

/// Otherwise a change of the types would make them unreadable, and nobody would see it.
#[test]
fn every_record_in_results_can_still_be_read() {
    let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("../results");
    let records = records(&results);
    assert!(records.len() >= 8, "only {} records in results", records.len());
    for file in records {
        let record = archive::read(&file).unwrap().unwrap();
        assert!(!record.attempts.is_empty() || !record.capacities.is_empty(), "{}", file.display());
    }
}

fn records(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(records(&path));
        }
    }
    found.extend(archive::record_in(folder));
    found
}

/// A record of two contestants, of which the second has three variants and the first two.
fn variants() -> pouco_lab::record::Record {
    let mut record = crate::sample::record();
    record.load_name = Some("09-db-pagination".to_owned());
    let (entry, attempt) = (record.contestants[0].clone(), record.attempts[0].clone());
    record.contestants.clear();
    record.attempts.clear();
    for (name, variant) in
        [("one", "offset"), ("one", "cursor"), ("two:x", "a"), ("two:x", "b"), ("two:x", "c")]
    {
        let id = format!("{name}@{variant}");
        let variant = Some(variant.to_owned());
        record.contestants.push(pouco_lab::record::Entry { id: id.clone(), variant, ..entry.clone() });
        record.attempts.push(pouco_lab::record::Attempt { contestant: id, ..attempt.clone() });
    }
    record
}

#[test]
fn variants_are_kept_apart_and_can_be_compared() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("record.json"), serde_json::to_string(&variants()).unwrap()).unwrap();
    let kept = lab(&["archive", "record.json", "kept"], folder.path());
    assert!(kept.status.success(), "{kept:?}");
    let files: Vec<String> = String::from_utf8(kept.stdout).unwrap().lines().map(str::to_owned).collect();
    let expected = [
        "kept/one/optimization/09-db-pagination/before/record.json.gz",
        "kept/one/optimization/09-db-pagination/after/record.json.gz",
        "kept/two-x/optimization/09-db-pagination/before/record.json.gz",
        "kept/two-x/optimization/09-db-pagination/after/b/record.json.gz",
        "kept/two-x/optimization/09-db-pagination/after/c/record.json.gz",
    ];
    assert_eq!(files, expected);
    let compared = lab(&["compare", &files[0], &files[1]], folder.path());
    assert_eq!(compared.status.code(), Some(0), "{compared:?}");
    let again = lab(&["archive", "record.json", "kept"], folder.path());
    assert!(String::from_utf8(again.stderr).unwrap().contains("holds a record already"));
    let none = serde_json::to_string(&crate::sample::record()).unwrap();
    fs::write(folder.path().join("record.json"), none).unwrap();
    let refused = lab(&["archive", "record.json", "other"], folder.path());
    assert!(String::from_utf8(refused.stderr).unwrap().contains("no load with variants"));
}
