//! A file system of its own for Postgres's data, whose writes can be made to hang and to go on: ext4 on a
//! loop device, frozen as for a snapshot. Reads go on meanwhile. Whoever writes waits in the kernel and
//! cannot even be killed.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::mount::{UnmountFlags, unmount};
use tempfile::TempDir;

use super::Failure;

/// Room for the data and all of the log. The image is sparse.
const BYTES: u64 = 4 << 30;

/// Unmounted with this value.
pub struct Volume {
    folder: TempDir,
}

impl Volume {
    /// Fails where this machine has no loop devices, no mkfs.ext4, or gives no right to mount.
    pub fn mount() -> Result<Self, Failure> {
        let folder = tempfile::Builder::new().prefix("pouco-volume-").tempdir()?;
        // Postgres's user must get through.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        let volume = Self { folder };
        let (image, path) = (volume.folder.path().join("image"), volume.path());
        File::create(&image)?.set_len(BYTES)?;
        fs::create_dir(&path)?;
        done(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image))?;
        done(Command::new("mount").args(["-o", "loop"]).args([&image, &path]))?;
        // Whether it can be frozen is found out before Postgres is on it.
        stall(&path, Duration::ZERO)?;
        Ok(volume)
    }

    /// Where it is mounted.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("disk")
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        // Lazily: what a test that failed left open goes with its process. The loop device goes then, too.
        let _ = unmount(self.path(), UnmountFlags::DETACH);
    }
}

/// Lets all writes to the file system that is mounted here hang for so long. A process of its own thaws it,
/// whatever becomes of this one.
pub fn stall(path: &Path, lasts: Duration) -> Result<(), Failure> {
    const WORDS: &str = "fsfreeze -f \"$0\" || exit 1; sleep \"$1\"; fsfreeze -u \"$0\"";
    done(Command::new("sh").args(["-c", WORDS]).arg(path).arg(lasts.as_secs_f64().to_string()))
}

fn done(command: &mut Command) -> Result<(), Failure> {
    use std::os::unix::process::CommandExt;
    let output = command.process_group(0).output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim()).into())
}
