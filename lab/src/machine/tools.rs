//! Asks programs for something short, for a bounded time.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::command;

/// Where a program is in the `PATH`.
#[must_use]
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| {
        use std::os::unix::fs::PermissionsExt;
        file.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    })
}

/// What `program` prints, standard output first, if it ends well within `limit`.
///
/// # Errors
/// Those of [`command::output`].
pub fn run(program: &str, arguments: &[&str], limit: Duration) -> Result<String> {
    let (output, errors) = command::both(Command::new(program).args(arguments), limit)?;
    Ok(output + &errors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_prints_on_either_channel_comes_back() {
        let text = run("sh", &["-c", "echo out; echo err >&2"], Duration::from_secs(20));
        assert_eq!(text.unwrap(), "out\nerr\n");
        assert!(run("no-such-program-anywhere", &[], Duration::from_secs(20)).is_err());
    }
}
