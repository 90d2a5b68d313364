//! Limits in the kernel: what they are for a chain of folders, and whether they are those that were set.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::Limits;
use super::hierarchy::{Groups, Version};

/// Version 1 has no word for "no limit": it answers with the largest number that is whole pages.
const V1_UNLIMITED_BYTES: u64 = 1 << 60;

/// A quota is a whole number of µs in a period, so it can differ from the share by a little.
const CPU_TOLERANCE: f64 = 0.01;

/// Why `found` is not what was `set`, or `None` if it is. The CPU must be the share within 1 % (less of it is
/// as unfair as more), the memory may not be above it, and a limit that was set and cannot be found does not
/// hold.
#[must_use]
pub fn limits_hold(set: &Limits, found: &Limits) -> Option<String> {
    if let Some(set) = set.cpus {
        match found.cpus {
            None => return Some(format!("CPU: {set} cores were set, and the kernel has no limit")),
            Some(found) if (found - set).abs() > set * CPU_TOLERANCE => {
                return Some(format!("CPU: {set} cores were set, and the kernel's limit is {found}"));
            }
            Some(_) => {}
        }
    }
    match (set.memory_bytes, found.memory_bytes) {
        (Some(set), None) => Some(format!("memory: {set} bytes were set, and the kernel has no limit")),
        (Some(set), Some(found)) if found > set => {
            Some(format!("memory: {set} bytes were set, and the kernel's limit is {found}"))
        }
        _ => None,
    }
}

/// What the kernel enforces: the least limit on the way from the process up to the mount.
pub(super) fn found(groups: &Groups) -> Result<Limits> {
    let cpus = match groups.cpu.version {
        Version::V1 => least(&groups.cpu.chain, cpus_v1, f64::min),
        Version::V2 => least(&groups.cpu.chain, cpus_v2, f64::min),
    };
    let memory_bytes = match groups.memory.version {
        Version::V1 => least(&groups.memory.chain, memory_v1, u64::min),
        Version::V2 => least(&groups.memory.chain, memory_v2, u64::min),
    };
    Ok(Limits { cpus: cpus?, memory_bytes: memory_bytes? })
}

fn least<T>(
    chain: &[PathBuf],
    limit: fn(&Path) -> Result<Option<T>>,
    less: fn(T, T) -> T,
) -> Result<Option<T>> {
    chain.iter().try_fold(None, |least, folder| {
        Ok(match (least, limit(folder)?) {
            (Some(a), Some(b)) => Some(less(a, b)),
            (a, b) => a.or(b),
        })
    })
}

fn cpus_v1(folder: &Path) -> Result<Option<f64>> {
    let (quota, period) = (folder.join("cpu.cfs_quota_us"), folder.join("cpu.cfs_period_us"));
    let (Some(quota), Some(period)) = (number::<i64>(&quota)?, number::<i64>(&period)?) else {
        return Ok(None);
    };
    Ok((quota >= 0).then(|| ratio(quota, period)))
}

fn cpus_v2(folder: &Path) -> Result<Option<f64>> {
    let file = folder.join("cpu.max");
    let Some(text) = optional(&file)? else { return Ok(None) };
    if text.starts_with("max") {
        return Ok(None);
    }
    let mut numbers = text.split_whitespace().map(str::parse::<i64>);
    let (Some(Ok(quota)), Some(Ok(period))) = (numbers.next(), numbers.next()) else {
        anyhow::bail!("{}: {:?} is neither `max` nor a quota and a period", file.display(), text.trim());
    };
    Ok(Some(ratio(quota, period)))
}

#[allow(clippy::cast_precision_loss)] // µs of a period: far below 2^53
fn ratio(quota: i64, period: i64) -> f64 {
    quota as f64 / period as f64
}

fn memory_v1(folder: &Path) -> Result<Option<u64>> {
    Ok(number(&folder.join("memory.limit_in_bytes"))?.filter(|bytes| *bytes < V1_UNLIMITED_BYTES))
}

fn memory_v2(folder: &Path) -> Result<Option<u64>> {
    let file = folder.join("memory.max");
    match optional(&file)? {
        Some(text) if !text.starts_with("max") => {
            text.trim().parse().map(Some).with_context(|| file.display().to_string())
        }
        _ => Ok(None),
    }
}

fn number<T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>>(
    file: &Path,
) -> Result<Option<T>> {
    optional(file)?.map(|text| text.trim().parse().with_context(|| file.display().to_string())).transpose()
}

/// A root folder of version 2 has no limits, and a controller that is not delegated has no files.
fn optional(file: &Path) -> Result<Option<String>> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| file.display().to_string()),
    }
}
