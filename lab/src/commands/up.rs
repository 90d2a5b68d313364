//! `pouco-lab up`, `down` and `logs`: a contestant by itself, for a look with curl.

use std::io::Write;

use anyhow::Result;
use pouco_lab::cli::{Left, Up};
use pouco_lab::contest::Contest;
use pouco_lab::oracle::Feeds;
use pouco_lab::runner::{self, Entrant};
use pouco_lab::stack;
use pouco_lab::view::{Output, View};

use super::run::entrants;
use super::{Places, stop_flag};

pub(crate) fn up(places: &Places, options: &Up) -> Result<bool> {
    let contest = places.contest(&options.contest)?.within(options.budget.as_deref())?;
    let stop = stop_flag()?;
    for entrant in entrants(places, &contest, std::slice::from_ref(&options.contestant))? {
        runner::up(&contest, &entrant, !options.no_build, &stop, &mut View::default())?;
        for address in addresses(&contest) {
            writeln!(Output, "curl -i '{address}'")?;
        }
        writeln!(Output, "pouco-lab down {} --contestant {}", contest.name, entrant.contestant.name)?;
    }
    Ok(true)
}

pub(crate) fn down(places: &Places, options: &Left) -> Result<bool> {
    each(places, options, |contest, entrant| {
        let mut stack = stack::open(contest, &entrant.contestant, &entrant.mode)?;
        stack.adopt();
        stack.down()
    })
}

pub(crate) fn logs(places: &Places, options: &Left) -> Result<bool> {
    each(places, options, |contest, entrant| {
        let logs = stack::open(contest, &entrant.contestant, &entrant.mode)?.logs();
        Ok(write!(Output, "{logs}")?)
    })
}

fn each(
    places: &Places,
    options: &Left,
    mut what: impl FnMut(&Contest, &Entrant) -> Result<()>,
) -> Result<bool> {
    let contest = places.contest(&options.contest)?;
    for entrant in entrants(places, &contest, &options.contestant)? {
        what(&contest, &entrant)?;
    }
    Ok(true)
}

/// What can be asked without a body, with the first of the data where the contest has some.
fn addresses(contest: &Contest) -> Vec<String> {
    let mut paths = vec![contest.ready_path().to_owned()];
    let ids = match contest.oracle.feeds() {
        Feeds::Data(data) => Some(data().1),
        _ => None,
    };
    let first = ids.as_ref().map(|ids| String::from_utf8_lossy(ids.get(0)));
    for request in contest.requests().filter(|request| request.method == "GET") {
        let path = request.path.replace("{offset}", "0").replace("{term}", "a");
        let path = path.replace("{unknown_id}", "00000000-0000-4000-8000-000000000000");
        paths.push(match &first {
            Some(id) => path.replace("{user_id}", id),
            None => path,
        });
    }
    paths.retain(|path| !path.contains('{'));
    paths.into_iter().map(|path| format!("{}{path}", contest.url)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::path::Path;

    use super::*;

    #[test]
    fn addresses_are_ready_for_curl() {
        let all = |name: &str| {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("contests").join(name);
            addresses(&Contest::read(&folder).unwrap())
        };
        let users = all("users");
        assert_eq!(users[0], "http://127.0.0.1:9999/healthz");
        assert!(users[1].starts_with("http://127.0.0.1:9999/users/0000"), "{users:?}");
        assert_eq!(users[3], "http://127.0.0.1:9999/users?limit=50&offset=0");
        assert!(all("people").iter().all(|address| !address.contains('{')));
    }
}
