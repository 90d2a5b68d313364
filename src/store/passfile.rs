//! A file of passwords, as Postgres's own client library reads it (manual, section 32.16): a line for each
//! login, `host:port:database:user:password`, in which `*` fits anything and a backslash stands before what
//! is meant as it is.

use std::path::Path;

use postgres::Config;
use postgres::config::Host;

use super::socket::DEFAULT_PORT;
use crate::files;
use crate::limits;

/// Where the server's own socket is, unless somebody says otherwise.
const DEFAULT_SOCKETS: [&str; 2] = ["/tmp", "/var/run/postgresql"];

/// Who signs in where.
pub(super) struct Login {
    host: String,
    port: String,
    database: String,
    user: String,
}

impl Login {
    /// At the host of this index.
    pub(super) fn of(config: &Config, host: usize) -> Self {
        let ports = config.get_ports();
        let port = ports.get(host).or(ports.first()).copied().unwrap_or(DEFAULT_PORT);
        let host = match (config.get_hosts().get(host), config.get_hostaddrs().get(host)) {
            (Some(Host::Tcp(name)), _) => name.clone(),
            (_, Some(address)) => address.to_string(),
            (Some(Host::Unix(folder)), _)
                if DEFAULT_SOCKETS.iter().any(|known| folder == Path::new(known)) =>
            {
                "localhost".to_owned()
            }
            (Some(Host::Unix(folder)), _) => folder.display().to_string(),
            (None, None) => String::new(),
        };
        let user = config.get_user().unwrap_or_default().to_owned();
        let database = config.get_dbname().map_or_else(|| user.clone(), str::to_owned);
        Self { host, port: port.to_string(), database, user }
    }
}

/// What is in the file.
///
/// # Errors
/// It cannot be read, or others than its owner can.
pub(super) fn read(path: &Path) -> Result<String, String> {
    let refused = |why: &dyn std::fmt::Display| format!("PGPASSFILE={}: {why}", path.display());
    let (text, file) = files::read(path, limits::SECRET_FILE_BYTES).map_err(|error| refused(&error))?;
    files::check_private(&file, 0o600).map_err(|error| refused(&error))?;
    String::from_utf8(text).map_err(|_| refused(&"it is not UTF-8"))
}

/// The password of the first line that fits.
pub(super) fn password(text: &str, login: &Login) -> Option<Vec<u8>> {
    let fields = [&login.host, &login.port, &login.database, &login.user];
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let mut rest = line.trim_end_matches('\r');
        for field in fields {
            rest = after(rest, field)?;
        }
        Some(taken(rest).0.into_bytes())
    })
}

/// What is behind a field and its colon, if the field fits.
fn after<'l>(line: &'l str, wanted: &str) -> Option<&'l str> {
    if let Some(rest) = line.strip_prefix("*:") {
        return Some(rest);
    }
    let (field, rest) = taken(line);
    rest.filter(|_| field == wanted)
}

/// The text up to the next colon, and what is behind that.
fn taken(line: &str) -> (String, Option<&str>) {
    let mut text = String::new();
    let mut chars = line.char_indices();
    while let Some((place, one)) = chars.next() {
        match one {
            ':' => return (text, Some(&line[place + 1..])),
            '\\' => text.push(chars.next().map_or('\\', |(_, meant)| meant)),
            one => text.push(one),
        }
    }
    (text, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, url: &str) -> Option<String> {
        let login = Login::of(&url.parse().unwrap(), 0);
        password(text, &login).map(|password| String::from_utf8(password).unwrap())
    }

    #[test]
    fn the_first_line_that_fits_counts() {
        let text = "# host:5432:db:app:comment\n\
                    other:5432:db:app:a\n\
                    host:5433:db:app:b\n\
                    host:5432:db:app:c\r\n\
                    host:*:*:app:d\n\
                    *:*:*:*:e";
        for (url, expected) in [
            ("postgres://app@host/db", "c"),
            ("postgres://app@host:5433/db", "b"),
            ("postgres://app@host/app", "d"),
            ("postgres://root@host", "e"),
        ] {
            assert_eq!(found(text, url).as_deref(), Some(expected), "{url}");
        }
        assert_eq!(found("host:5432:db:other:a\nnonsense\n\n", "postgres://app@host/db"), None);
    }

    #[test]
    fn a_backslash_stands_before_what_is_meant() {
        let text = r"\:\:1:5432:d\\b:a\:pp:p\\w\:d:rest";
        assert_eq!(found(text, r"host='::1' user=a:pp dbname='d\\b'").as_deref(), Some(r"p\w:d"));
        assert_eq!(found("*:*:*:*:a\\", "host=h user=a").as_deref(), Some("a\\"));
        // A star is one only if it is alone.
        assert_eq!(found(r"\*:*:*:*:a", "host=h user=a"), None);
    }

    #[test]
    fn a_socket_has_its_folder_or_the_local_host() {
        let text = "localhost:*:*:*:a\n/somewhere:*:*:*:b";
        assert_eq!(found(text, "host=/var/run/postgresql user=u").as_deref(), Some("a"));
        assert_eq!(found(text, "host=/somewhere user=u").as_deref(), Some("b"));
    }
}
