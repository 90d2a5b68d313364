//! Connections to Postgres without a query to it: each client has a process, whose title says whose it is. A
//! title is read as bytes here: `procfs` refuses a command line that is no UTF-8, and a database may have
//! such a name.

use std::path::Path;

/// Whose connections are counted.
#[derive(Clone, Debug)]
pub struct Database {
    /// The target that is Postgres.
    pub service: String,
    /// The role of the API in it.
    pub user: String,
}

/// Client processes of `user` among `pids`; absent if not one title could be read.
pub(super) fn count(proc_folder: &Path, pids: &[i32], user: &str) -> Option<u32> {
    let mut read = false;
    let mut clients = 0;
    for pid in pids {
        let Ok(title) = std::fs::read(proc_folder.join(format!("{pid}/cmdline"))) else { continue };
        read = true;
        clients += u32::from(is_client(&title, user));
    }
    read.then_some(clients)
}

/// Whether a process with this command line serves a client that logged in as `user`:
/// `postgres: USER DATABASE ADDRESS …`, with the cluster's name before it where it has one. What Postgres
/// runs for itself has a title too, but no address in it.
#[must_use]
pub fn is_client(command_line: &[u8], user: &str) -> bool {
    // The title is written over the arguments and padded.
    let title = command_line.split(|byte| *byte == 0).next().unwrap_or_default();
    let Ok(title) = std::str::from_utf8(title) else { return false };
    let Some(title) = title.strip_prefix("postgres: ") else { return false };
    let without_cluster = title.split_once(": ").map(|(_, rest)| rest);
    [Some(title), without_cluster].into_iter().flatten().any(|title| names_client(title, user))
}

fn names_client(title: &str, user: &str) -> bool {
    let Some(rest) = title.strip_prefix(user).and_then(|rest| rest.strip_prefix(' ')) else { return false };
    // A database's name comes first, and may hold blanks.
    rest.split(' ').skip(1).any(is_address)
}

/// `[local]` or `HOST(PORT)`.
fn is_address(word: &str) -> bool {
    let port = word.strip_suffix(')').and_then(|word| word.rsplit_once('(')).map(|(_, port)| port);
    word == "[local]" || port.is_some_and(|port| port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_told_from_what_postgres_runs_for_itself() {
        let clients: [&[u8]; 6] = [
            b"postgres: pouco pouco [local] idle",
            b"postgres: pouco pouco 127.0.0.1(41234) INSERT waiting\0\0\0\0",
            b"postgres: pouco people db [local] idle in transaction",
            b"postgres: pouco pouco fe80::1(5)",
            b"postgres: 17/main: pouco pouco [local] COMMIT",
            b"postgres: pouco pouco [local] authentication",
        ];
        for title in clients {
            assert!(is_client(title, "pouco"), "{}", String::from_utf8_lossy(title));
        }
        let others: [&[u8]; 16] = [
            b"postgres\0-D\0/var/lib/postgresql\0",
            b"postgres: checkpointer ",
            b"postgres: background writer ",
            b"postgres: walwriter ",
            b"postgres: autovacuum launcher ",
            b"postgres: autovacuum worker pouco",
            b"postgres: logical replication launcher ",
            b"postgres: io worker 0",
            b"postgres: parallel worker for PID 4711 ",
            b"postgres: walsender pouco 10.0.0.2(43210) streaming",
            b"postgres: 17/main: walwriter ",
            b"postgres: postgres pouco [local] idle",
            b"postgres: pouco2 pouco [local] idle",
            b"postgres: pouco [local] idle",
            b"psql\0-U\0pouco\0[local]",
            b"",
        ];
        for title in others {
            assert!(!is_client(title, "pouco"), "{}", String::from_utf8_lossy(title));
        }
    }
}
