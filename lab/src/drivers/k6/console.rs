//! What a script tells the oracle of single requests: a line of its console each, which k6 puts into a file.
//! It begins with a mark and ends with `,end`. Nothing in it needs quotes, whatever k6 writes around it.

use anyhow::{Context, Result};

/// The fields of each line of `console` with this `mark`, as `read` understands them.
///
/// # Errors
/// A line is cut short, or `read` does not understand it.
pub(super) fn told<T>(console: &str, mark: &str, read: impl Fn(&[&str]) -> Result<T>) -> Result<Vec<T>> {
    let lines = console.lines().filter_map(|line| Some(&line[line.find(mark)? + mark.len()..]));
    let one = |line: &str| {
        let end = line.find(|c: char| !c.is_ascii_alphanumeric() && c != ',').unwrap_or(line.len());
        let fields: Vec<&str> = line[..end].split(',').collect();
        let [fields @ .., "end"] = fields.as_slice() else { anyhow::bail!("it is cut short") };
        read(fields)
    };
    lines.map(|line| one(line).with_context(|| format!("a line of k6's console: {line}"))).collect()
}
