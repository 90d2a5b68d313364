//! One table over several archived runs.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::Value;

use super::percentiles::ALL;
use super::{write_file, write_json};
use crate::view::Output;

const HEADS: [(&str, usize); 11] = [
    ("run", 7),
    ("API", 8),
    ("database", 9),
    ("oracle", 8),
    ("KO", 6),
    ("CPU s", 8),
    ("throttled", 10),
    ("working MiB", 12),
    ("raw peak MiB", 13),
    ("creation p50/p99/max ms", 24),
    ("all p50/p99/max ms", 20),
];

/// A run, in the file and in the table.
#[derive(Serialize)]
struct Row {
    api: Value,
    database: Value,
    oracle: Value,
    ko: Value,
    cpu_s: Value,
    cpu_s_by_container: BTreeMap<String, Value>,
    throttled_periods: Value,
    memory_max_working_mib: Value,
    memory_sum_of_peaks_raw_mib: Value,
    creation_ms: Option<[Value; 3]>,
    all_requests_ms: Option<[Value; 3]>,
    generator_cpu_s: Value,
    faults: Vec<String>,
}

/// The exit code: 1 if in any run a count differs, a request failed or the limits did not hold.
pub(super) fn main(directory: &Path) -> Result<u8> {
    let (text, faulty) = summarize(directory)?;
    write!(Output, "{text}")?;
    Ok(u8::from(faulty))
}

fn summarize(directory: &Path) -> Result<(String, bool)> {
    let mut rows = Vec::new();
    for entry in fs::read_dir(directory).with_context(|| directory.display().to_string())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if let Some(number) = name.strip_prefix("run-").and_then(|number| number.parse::<u32>().ok()) {
            rows.push((number, row(&directory.join(name))?));
        }
    }
    ensure!(!rows.is_empty(), "no run-1, run-2, … in {}", directory.display());
    rows.sort_by_key(|(number, _)| *number);
    let text = table(&rows);
    write_file(&directory.join("summary.txt"), &text)?;
    let faulty = rows.iter().any(|(_, row)| !row.faults.is_empty());
    let by_name: BTreeMap<_, _> = rows.iter().map(|(number, row)| (format!("run-{number}"), row)).collect();
    write_json(&directory.join("summary.json"), &by_name)?;
    Ok((text, faulty))
}

/// What is not there is null.
fn load(file: &Path) -> Result<Value> {
    match fs::read(file) {
        Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| file.display().to_string()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Value::Null),
        Err(error) => Err(error).with_context(|| file.display().to_string()),
    }
}

fn row(directory: &Path) -> Result<Row> {
    let load = |name: &str| load(&directory.join(name));
    let (run, counts, resources) = (load("run.json")?, load("counts.json")?, load("resources.json")?);
    let requests = load("percentiles.json")?["requests"].take();
    let stack = &resources["stack"];
    let mib = |name: &str| match stack[name].as_f64() {
        Some(bytes) => Value::from((bytes / 104_857.6).round() / 10.0),
        None => Value::Null,
    };
    let times = |name: &str| {
        let of = requests.get(name)?;
        Some(["p50_ms", "p99_ms", "max_ms"].map(|key| of[key].clone()))
    };
    let containers = resources["containers"].as_object().into_iter().flatten();
    Ok(Row {
        api: counts["api"].clone(),
        database: counts["database"].clone(),
        oracle: counts["oracle_high"].clone(),
        ko: requests[ALL]["ko"].clone(),
        cpu_s: stack["cpu_s"].clone(),
        cpu_s_by_container: containers.map(|(name, of)| (name.clone(), of["cpu_s"].clone())).collect(),
        throttled_periods: stack["throttled_periods"].clone(),
        memory_max_working_mib: mib("memory_max_working_bytes"),
        memory_sum_of_peaks_raw_mib: mib("memory_sum_of_peaks_raw_bytes"),
        creation_ms: times("creation"),
        all_requests_ms: times(ALL),
        generator_cpu_s: run["generator_cpu_s"].clone(),
        faults: faults(&counts, &requests[ALL]["ko"], &run),
    })
}

fn faults(counts: &Value, failed: &Value, run: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    match counts["equal"].as_bool() {
        Some(true) => {}
        Some(false) => faults.push("counts differ".to_owned()),
        None => faults.push("no counts".to_owned()),
    }
    match failed.as_u64() {
        Some(0) => {}
        Some(failed) => faults.push(format!("{failed} requests failed")),
        None => faults.push("no requests".to_owned()),
    }
    if run["limits_hold"].as_bool() == Some(false) {
        faults.push("limits do not hold".to_owned());
    }
    faults
}

fn table(rows: &[(u32, Row)]) -> String {
    let shown = |value: &Value| if value.is_null() { "-".to_owned() } else { value.to_string() };
    let times = |ms: &Option<[Value; 3]>| {
        ms.as_ref().map_or("-".to_owned(), |ms| ms.iter().map(shown).collect::<Vec<_>>().join("/"))
    };
    let line = |cells: [String; 11]| {
        let padded = cells.iter().zip(HEADS).map(|(cell, (_, width))| format!("{cell:>width$}"));
        padded.collect::<String>() + "\n"
    };
    let mut text = line(HEADS.map(|(head, _)| head.to_owned()));
    for (number, row) in rows {
        let [api, database, oracle, ko] = [&row.api, &row.database, &row.oracle, &row.ko].map(shown);
        let [cpu_s, throttled, working, raw] = [
            &row.cpu_s,
            &row.throttled_periods,
            &row.memory_max_working_mib,
            &row.memory_sum_of_peaks_raw_mib,
        ]
        .map(shown);
        let (creation, all) = (times(&row.creation_ms), times(&row.all_requests_ms));
        let name = format!("run-{number}");
        text += &line([name, api, database, oracle, ko, cpu_s, throttled, working, raw, creation, all]);
    }
    for (number, row) in rows.iter().filter(|(_, row)| !row.cpu_s_by_container.is_empty()) {
        let shares: Vec<_> = row.cpu_s_by_container.iter().map(|(name, s)| format!("{name} {s}")).collect();
        let generator = shown(&row.generator_cpu_s);
        text += &format!("run-{number}: CPU s: {}; load generator {generator}\n", shares.join(", "));
    }
    for (number, row) in rows {
        text.extend(row.faults.iter().map(|fault| format!("FAULT in run-{number}: {fault}\n")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn archived(directory: &Path, number: u32, equal: bool, ko: u64) {
        let folder = directory.join(format!("run-{number}"));
        fs::create_dir(&folder).unwrap();
        let times = json!({ "count": 5, "ko": ko, "p50_ms": 1, "p99_ms": 4, "max_ms": 5 });
        let counts = json!({ "api": 7, "database": 7, "oracle_low": 7, "oracle_high": 7, "equal": equal });
        let percentiles = json!({ "requests": { "all requests": times, "creation": times } });
        let run = json!({ "limits_hold": true, "generator_cpu_s": 40.5 });
        for (name, value) in [("run", run), ("counts", counts), ("percentiles", percentiles)] {
            write_json(&folder.join(format!("{name}.json")), &value).unwrap();
        }
    }

    #[test]
    fn any_fault_in_any_run_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let summary = || summarize(folder.path()).unwrap();
        assert!(summarize(folder.path()).is_err(), "there is no run");
        for number in [1, 2, 10] {
            archived(folder.path(), number, true, 0);
        }
        let (text, faulty) = summary();
        assert!(!faulty && text.find("run-2") < text.find("run-10") && text.contains("1/4/5"), "{text}");
        archived(folder.path(), 11, false, 3);
        fs::create_dir(folder.path().join("run-12")).unwrap();
        let (text, faulty) = summary();
        let faults = ["11: counts differ", "11: 3 requests failed", "12: no counts", "12: no requests"];
        assert!(faulty && faults.iter().all(|it| text.contains(&format!("FAULT in run-{it}\n"))), "{text}");
        assert_eq!(fs::read_to_string(folder.path().join("summary.txt")).unwrap(), text);
    }

    /// What the stress test's first tools wrote of it.
    #[test]
    fn an_archived_evaluation_is_read_as_it_was_written() {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../results/2026-11-21-2core-xeon-2/people");
        let row = row(&top.join("run-1")).unwrap();
        assert_eq!((row.cpu_s, row.oracle), (json!(15.764), json!(46_527)));
        assert_eq!((row.memory_max_working_mib, row.faults), (json!(89.1), Vec::new()));
    }
}
