//! The monitor's summary: as a file, as a table and as a picture.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use super::seen::{Watched, sum_of_limits};
use crate::meters::Limits;
use crate::record::Second;
use crate::report::{Track, svg_tracks};
use crate::stress::tables::{cores, mib, row};
use crate::stress::{write_file, write_json};

/// What stands in no sample.
pub(super) struct About<'a> {
    pub(super) begun: &'a str,
    pub(super) engine: &'a str,
    pub(super) version: u8,
    pub(super) names: &'a [String],
}

#[derive(Serialize)]
struct Summary<'a> {
    started_at: &'a str,
    seconds: f64,
    samples: usize,
    engine: &'a str,
    cgroup_version: u8,
    not_seen: Vec<&'a str>,
    containers: BTreeMap<&'a str, Used>,
    stack: Used,
}

/// Of a container, or of all together at the same second.
#[derive(Serialize, Default)]
struct Used {
    cpu_s: f64,
    cpu_max_cores: Option<f64>,
    throttled_periods: u64,
    throttled_s: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_peak_raw_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_sum_of_peaks_raw_bytes: Option<u64>,
    memory_max_raw_bytes: Option<u64>,
    memory_max_working_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_max_working_at_s: Option<f64>,
    cpu_limit_cores: Option<f64>,
    memory_limit_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    samples: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    restarts: Option<u64>,
}

/// Sums of one look.
#[derive(Clone, Copy, Default)]
struct Sum {
    cores: Option<f64>,
    raw_bytes: Option<u64>,
    working_bytes: Option<u64>,
    throttled: u64,
}

pub(super) fn write(about: &About<'_>, ticks: &[f64], watched: &[Watched], out: &Path) -> Result<String> {
    let watched: Vec<&Watched> = watched.iter().filter(|it| !it.points.is_empty()).collect();
    let summary = summary(about, ticks, &watched);
    write_json(&out.join("summary.json"), &summary)?;
    let text = table(&summary, &watched);
    write_file(&out.join("summary.txt"), &text)?;
    let all = sum_of_limits(&watched.iter().map(|it| it.limits).collect::<Vec<_>>());
    let mut tracks = vec![track("whole stack", &sums(ticks, &watched), all, summary.stack.cpu_s)];
    for it in &watched {
        let used = summary.containers.get(it.name.as_str()).map_or(0.0, |used| used.cpu_s);
        tracks.push(track(&it.name, &sums(ticks, &[it]), it.limits, used));
    }
    let (begun, seconds) = (about.begun, summary.seconds);
    let subtitle = format!("{begun}, {seconds:.0} s, sampled from the cgroups once a second");
    let picture = svg_tracks("CPU and memory during the stress test", &subtitle, &tracks);
    write_file(&out.join("monitor.svg"), &picture)?;
    Ok(text)
}

fn sums(ticks: &[f64], watched: &[&Watched]) -> Vec<Sum> {
    let mut sums = vec![Sum::default(); ticks.len()];
    for it in watched {
        let mut before = 0;
        for point in &it.points {
            let sum = &mut sums[point.tick];
            if let Some(cores) = point.cores {
                *sum.cores.get_or_insert(0.0) += cores;
            }
            *sum.raw_bytes.get_or_insert(0) += point.raw_bytes;
            *sum.working_bytes.get_or_insert(0) += point.working_bytes;
            sum.throttled += point.throttled_periods - before;
            before = point.throttled_periods;
        }
    }
    sums
}

fn track(name: &str, sums: &[Sum], limits: Limits, cpu_s: f64) -> Track {
    let second = |(second, sum): (u32, &Sum)| Second {
        second,
        cpus: sum.cores,
        memory_bytes: sum.working_bytes,
        failed: sum.throttled,
        ..Second::default()
    };
    let title =
        format!("{name}: {cpu_s:.1} CPU s, at most {} MiB", mib(largest(sums, |sum| sum.working_bytes)));
    let raw_bytes = sums.iter().map(|sum| sum.raw_bytes).collect();
    Track { title, limits, raw_bytes, seconds: (0..).zip(sums).map(second).collect() }
}

fn largest(sums: &[Sum], read: fn(&Sum) -> Option<u64>) -> Option<u64> {
    sums.iter().filter_map(read).max()
}

fn milli(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

fn used(ticks: &[f64], watched: &[&Watched]) -> Used {
    let sums = sums(ticks, watched);
    let last = || watched.iter().filter_map(|it| it.points.last());
    let limits = sum_of_limits(&watched.iter().map(|it| it.limits).collect::<Vec<_>>());
    Used {
        cpu_s: milli(last().map(|point| point.cpu_s).sum()),
        cpu_max_cores: sums.iter().filter_map(|sum| sum.cores).reduce(f64::max).map(milli),
        throttled_periods: last().map(|point| point.throttled_periods).sum(),
        throttled_s: milli(last().map(|point| point.throttled_s).sum()),
        memory_max_raw_bytes: largest(&sums, |sum| sum.raw_bytes),
        memory_max_working_bytes: largest(&sums, |sum| sum.working_bytes),
        cpu_limit_cores: limits.cpus.map(milli),
        memory_limit_bytes: limits.memory_bytes,
        ..Used::default()
    }
}

fn summary<'a>(about: &About<'a>, ticks: &[f64], watched: &[&'a Watched]) -> Summary<'a> {
    let of_one = |it: &&'a Watched| {
        let own = Used {
            memory_peak_raw_bytes: it.peak_bytes,
            samples: Some(it.points.len()),
            restarts: Some(it.restarts),
            ..used(ticks, &[it])
        };
        (it.name.as_str(), own)
    };
    let all = sums(ticks, watched);
    let most = largest(&all, |sum| sum.working_bytes);
    let at = most.and_then(|most| all.iter().position(|sum| sum.working_bytes == Some(most)));
    let stack = Used {
        memory_sum_of_peaks_raw_bytes: watched
            .iter()
            .map(|it| it.peak_bytes)
            .sum::<Option<u64>>()
            .filter(|_| !watched.is_empty()),
        memory_max_working_at_s: at.map(|at| (ticks[at] * 10.0).round() / 10.0),
        ..used(ticks, watched)
    };
    let seen = |name: &&String| watched.iter().any(|it| it.name == **name);
    Summary {
        started_at: about.begun,
        seconds: milli(ticks.last().copied().unwrap_or(0.0)),
        samples: ticks.len(),
        engine: about.engine,
        cgroup_version: about.version,
        not_seen: about.names.iter().filter(|name| !seen(name)).map(String::as_str).collect(),
        containers: watched.iter().map(of_one).collect(),
        stack,
    }
}

fn table(summary: &Summary<'_>, watched: &[&Watched]) -> String {
    let heads = [
        "CPU s",
        "max cores",
        "limit",
        "throttled",
        "thr. s",
        "working MiB",
        "raw MiB",
        "peak raw",
        "limit MiB",
    ];
    let mut text = row("container", &heads.map(str::to_owned), 12);
    let names = watched.iter().map(|it| it.name.as_str());
    let containers = names.filter_map(|name| Some((name, summary.containers.get(name)?)));
    for (name, used) in containers.chain([("whole stack", &summary.stack)]) {
        let cells = [
            format!("{:.2}", used.cpu_s),
            used.cpu_max_cores.map_or("none".to_owned(), |cores| format!("{cores:.2}")),
            cores(used.cpu_limit_cores),
            used.throttled_periods.to_string(),
            format!("{:.2}", used.throttled_s),
            mib(used.memory_max_working_bytes),
            mib(used.memory_max_raw_bytes),
            mib(used.memory_peak_raw_bytes.or(used.memory_sum_of_peaks_raw_bytes)),
            mib(used.memory_limit_bytes),
        ];
        text += &row(name, &cells, 12);
    }
    let Summary { seconds, samples, cgroup_version, .. } = summary;
    text += &format!(
        "\n{seconds:.0} s, {samples} samples, cgroup v{cgroup_version}. The last row's working and raw memory are \
         the largest sums at one second.\n"
    );
    if !summary.not_seen.is_empty() {
        text += &format!("never seen: {}\n", summary.not_seen.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::seen::tests::sample;
    use super::*;

    const MIB: u64 = 1 << 20;

    /// `b` is highest when `a` is low: the largest sum is not the sum of the largest values.
    #[test]
    fn sums_are_those_of_the_same_second() {
        let limits = Limits { cpus: Some(0.5), memory_bytes: Some(100 * MIB) };
        let [mut a, mut b] = ["a", "b"].map(|name| Watched::new(name.into(), None, limits));
        for (tick, (cpu_s, memory)) in [(1.0, 50), (1.2, 20), (1.4, 20)].into_iter().enumerate() {
            a.add(tick, tick as f64, &sample(cpu_s, memory, 0), tick as u64);
        }
        b.add(0, 0.0, &sample(5.0, 30, 20), 0);
        b.add(1, 1.0, &sample(5.1, 45, 5), 0);
        let names = ["a", "b", "c"].map(str::to_owned);
        let about = About { begun: "2026-11-21T07:50:05Z", engine: "podman", version: 2, names: &names };
        let out = tempfile::tempdir().unwrap();
        let text = write(&about, &[0.0, 1.0, 2.0], &[a, b], out.path()).unwrap();
        let read = |name: &str| std::fs::read_to_string(out.path().join(name)).unwrap();
        let summary: serde_json::Value = serde_json::from_str(&read("summary.json")).unwrap();
        let stack = &summary["stack"];
        assert_eq!((stack["cpu_s"].as_f64(), stack["cpu_limit_cores"].as_f64()), (Some(0.5), Some(1.0)));
        assert_eq!(summary["containers"]["b"]["memory_max_working_bytes"], 40 * MIB);
        assert_eq!(stack["memory_max_working_bytes"], 60 * MIB);
        assert_eq!(
            (stack["memory_max_raw_bytes"].as_u64(), stack["memory_max_working_at_s"].as_f64()),
            (Some(80 * MIB), Some(0.0))
        );
        assert_eq!(text, read("summary.txt"));
        assert!(text.ends_with("never seen: c\n"), "{text}");
        let picture = read("monitor.svg");
        assert!(
            picture.starts_with("<svg xmlns=") && picture.contains("b: 0.1 CPU s, at most 40.0 MiB"),
            "{picture}"
        );
        assert!(picture.contains("limit 0.500") && picture.contains("limit 100"), "{picture}");

        let text = write(&about, &[0.0, 1.0], &[], out.path()).unwrap();
        assert!(text.contains("never seen: a, b, c"), "{text}");
    }
}
