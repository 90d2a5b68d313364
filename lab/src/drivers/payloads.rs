//! Payloads and search terms: made by `stress-test/generate.py`, as for a run of `stress-test/run-test.sh`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

/// Makes what is missing of the payload file and of the terms file for `seed` in `folder`, and says where they are.
///
/// # Errors
/// There is no `python3`, or the generator failed.
pub fn payloads(top: &Path, seed: u64, folder: &Path) -> Result<(PathBuf, PathBuf)> {
    let generator = top.join("stress-test/generate.py");
    ensure!(
        generator.is_file(),
        "{}: no such file; is {} the repository?",
        generator.display(),
        top.display()
    );
    let seed = u32::try_from(seed).ok().with_context(|| format!("seed {seed}: at most {}", u32::MAX))?;
    let output = Command::new("python3")
        .arg(&generator)
        .args(["--seed", &seed.to_string(), "--if-missing", "--out"])
        .arg(folder)
        .output()
        .context(
            "python3 cannot be started; it makes the payloads. On Debian and Ubuntu: apt-get install python3",
        )?;
    if !output.status.success() {
        bail!(
            "{}: {}: {}",
            generator.display(),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    two_paths(&String::from_utf8_lossy(&output.stdout)).with_context(|| generator.display().to_string())
}

/// What the generator prints: the payload file and the terms file, one a line.
fn two_paths(printed: &str) -> Result<(PathBuf, PathBuf)> {
    let mut lines = printed.lines().map(PathBuf::from);
    match (lines.next(), lines.next(), lines.next()) {
        (Some(payloads), Some(terms), None) => {
            for path in [&payloads, &terms] {
                ensure!(path.is_file(), "{} was not made", path.display());
            }
            Ok((payloads, terms))
        }
        _ => bail!("printed {printed:?}, not the paths of two files"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_paths_must_be_printed_and_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let [one, other] = ["payloads.tsv", "terms.tsv"].map(|name| folder.path().join(name));
        let printed = format!("{}\n{}\n", one.display(), other.display());
        std::fs::write(&one, "payload\n").unwrap();
        assert!(two_paths(&printed).unwrap_err().to_string().contains("terms.tsv was not made"));
        std::fs::write(&other, "t\n").unwrap();
        assert_eq!(two_paths(&printed).unwrap(), (one, other));
        assert!(two_paths("a word\n").unwrap_err().to_string().contains("two files"));
    }

    #[test]
    fn what_cannot_be_made_is_said_before_python_is_asked() {
        let folder = tempfile::tempdir().unwrap();
        let message = payloads(folder.path(), 1, folder.path()).unwrap_err().to_string();
        assert!(message.contains("generate.py: no such file"), "{message}");
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let message = payloads(&top, u64::MAX, folder.path()).unwrap_err().to_string();
        assert!(message.contains("at most 4294967295"), "{message}");
    }
}
