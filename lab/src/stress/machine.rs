//! The machine and the tools of a run, a line each. Names neither host nor user.

use anyhow::Result;

use crate::machine;

pub(super) fn described() -> Result<String> {
    let it = machine::machine()?;
    let memory = format!("{:.1} GiB", it.memory_bytes as f64 / 1_073_741_824.0);
    let now = crate::runner::now();
    let date = now.get(..10).unwrap_or(&now);
    let mut lines = vec![("date", date.to_owned()), ("cpu", it.cpu_model), ("cores", it.cores.to_string())];
    lines.extend([("memory", memory), ("kernel", it.kernel), ("system", it.os), ("cgroups", it.cgroups)]);
    let versions = machine::versions(machine::gatling_home().as_deref());
    lines.extend(versions.iter().map(|(tool, version)| (tool.as_str(), version.clone())));
    Ok(lines.iter().map(|(name, value)| format!("{name:<15}{value}\n")).collect())
}
