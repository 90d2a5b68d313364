//! `/aggregation/…`: rows counted, and counted by group. What makes it quick is not in the statements: an
//! index that has all that is asked for, or totals that a trigger keeps.

use std::io::Write;

use super::Bench;
use crate::api::query::number;
use crate::http::{Method, Rejection, Request, Response, Scope, json};
use crate::store::{Lane, Session};

/// Groups where nobody says how many.
pub(super) const DEFAULT_LIMIT: i64 = 10;
/// Groups at most.
pub(super) const LARGEST_LIMIT: i64 = 100;

const COUNT: &str = "SELECT count(*) FROM bench.articles";

const BY_COUNTRY: &str = "
    SELECT country AS key, count(*) AS articles, sum(views)::bigint FROM bench.articles GROUP BY country
    ORDER BY articles DESC, country COLLATE \"C\" LIMIT $1";
const BY_AUTHOR: &str = "
    SELECT author_id::text AS key, count(*) AS articles, sum(views)::bigint FROM bench.articles GROUP BY author_id
    ORDER BY articles DESC, author_id::text COLLATE \"C\" LIMIT $1";

/// A group that has lost all of its articles is none.
macro_rules! kept {
    ($kind:literal) => {
        concat!(
            "SELECT key, articles, views FROM bench.article_totals WHERE kind = '",
            $kind,
            "' AND articles > 0 ORDER BY articles DESC, key COLLATE \"C\" LIMIT $1"
        )
    };
}
const KEPT_BY_COUNTRY: &str = kept!("country");
const KEPT_BY_AUTHOR: &str = kept!("author");

/// Each with its place in the path.
pub(super) const STATISTICS: [(&str, &str); 4] = [
    ("country/raw", BY_COUNTRY),
    ("country/kept", KEPT_BY_COUNTRY),
    ("author/raw", BY_AUTHOR),
    ("author/kept", KEPT_BY_AUTHOR),
];

/// Adds the routes.
pub(super) fn mount(scope: &mut Scope<'_, Bench>) {
    for path in ["/aggregation/count/orm", "/aggregation/count/raw"] {
        scope.route(Method::Get, path, Bench::count_articles);
    }
    for (place, sql) in STATISTICS {
        let path = format!("/aggregation/stats/{place}");
        scope.route(Method::Get, &path, move |bench, request, response| bench.groups(sql, request, response));
    }
}

impl Bench {
    /// `GET /aggregation/count/orm` and `…/raw`, which are the same where nothing stands before the SQL.
    fn count_articles(&self, _: &mut Request<'_>, response: &mut Response<'_>) -> Result<(), Rejection> {
        let count = self.pool.read(Lane::Scan, |session| {
            let rows = session.query(COUNT, &[])?;
            // An aggregate has one row.
            rows.first().map_or(Ok(0), |row| row.try_get::<_, i64>(0))
        })?;
        response.body_with("application/json", |out| {
            // Writing to a Vec does not fail.
            let _ = write!(out, "{{\"count\":{count}}}");
        });
        Ok(())
    }

    /// The groups with the most articles, by `sql`.
    fn groups(
        &self,
        sql: &'static str,
        request: &mut Request<'_>,
        response: &mut Response<'_>,
    ) -> Result<(), Rejection> {
        let limit = number(request, "limit", 1..=LARGEST_LIMIT)?.unwrap_or(DEFAULT_LIMIT);
        response.json(&self.pool.read(Lane::Scan, move |session| groups(session, sql, limit))?);
        Ok(())
    }
}

fn groups(session: &mut Session, sql: &'static str, limit: i64) -> Result<Vec<u8>, postgres::Error> {
    let mut out = b"{\"groups\":[".to_vec();
    for (index, row) in session.query(sql, &[&limit])?.iter().enumerate() {
        out.extend_from_slice(if index > 0 { b",{\"key\":" } else { b"{\"key\":" });
        json::write_string(&mut out, row.try_get(0)?);
        let (articles, views): (i64, i64) = (row.try_get(1)?, row.try_get(2)?);
        let _ = write!(out, ",\"articles\":{articles},\"views\":{views}}}");
    }
    out.extend_from_slice(b"]}");
    Ok(out)
}
