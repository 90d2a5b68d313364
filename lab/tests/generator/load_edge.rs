//! The native generator with the load of the contest `edge`, against servers whose pages are right and wrong.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::load_support::{Asked, Reply, Server, constant, errors, request, run};
use pouco_lab::contest::Scenario;
use pouco_lab::load::{Connections, Outcome, Plan};
use pouco_lab::oracle;
use pouco_lab::oracle::edge::{OLDEST, STATIC_TEXT, TOLERANCE};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

fn plan(server: &Server) -> Plan {
    let scenario = |name: &str, path: &str| Scenario {
        name: name.into(),
        phases: constant(50.0, 1.0),
        clients: None,
        requests: vec![request(name, "GET", path, &[200])],
    };
    Plan {
        oracle: oracle::named("edge"),
        connections: Connections::KeptAlive { connections: 4 },
        ..crate::load_support::plan(
            server.address,
            vec![scenario("text", "/static-text"), scenario("time", "/time")],
        )
    }
}

fn shown(moment: OffsetDateTime) -> String {
    moment.format(&Rfc3339).unwrap() + "\n"
}

fn page(cache: &str, body: &str) -> Reply {
    Reply::new("200 OK", cache, body)
}

const HIT: &str = "X-Cache-Status: HIT\r\n";

/// The load against a server whose answer `change` may replace.
fn loaded(change: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static) -> Outcome {
    let honest = |asked: &Asked| match asked.target.as_str() {
        "/static-text" => page(HIT, STATIC_TEXT),
        _ => page(HIT, &shown(OffsetDateTime::now_utc())),
    };
    let server = Server::start(move |asked| change(asked).unwrap_or_else(|| honest(asked)));
    let outcome = run(&plan(&server));
    assert_eq!(outcome.figures.total.count, 100);
    outcome
}

/// The load against a server that shows another time.
fn at(moment: impl Fn() -> OffsetDateTime + Send + Sync + 'static) -> Outcome {
    loaded(move |asked| (asked.target == "/time").then(|| page(HIT, &shown(moment()))))
}

#[test]
fn right_pages_are_counted_by_what_their_cache_says() {
    let first = AtomicU32::new(0);
    let outcome = loaded(move |asked| {
        let is_first = asked.target == "/static-text" && first.fetch_add(1, Ordering::Relaxed) == 0;
        is_first.then(|| page("x-cache-status: MISS\r\n", STATIC_TEXT))
    });
    assert_eq!(outcome.figures.total.failed, 0, "{:?}", outcome.figures.errors);
    let answers = outcome.answers.unwrap();
    assert_eq!(
        (answers.checked, answers.wrong, answers.by_cache["MISS"], answers.by_cache["HIT"]),
        (100, 0, 1, 99)
    );
    assert!(answers.oldest_seconds.unwrap() < 5.0, "{answers:?}");
}

#[test]
fn wrong_pages_are_failures_by_their_kind() {
    let future = at(|| OffsetDateTime::now_utc() + TOLERANCE);
    assert_eq!(errors(&future, "time: the time is of the future"), 50);
    assert_eq!(
        errors(
            &at(|| OffsetDateTime::now_utc() - OLDEST),
            "time: the time is older than anything may be kept"
        ),
        50
    );
    let old = at(|| OffsetDateTime::now_utc() - OLDEST / 2);
    assert_eq!(old.figures.total.failed, 0, "{:?}", old.figures.errors);
    assert!(old.answers.unwrap().oldest_seconds.unwrap() >= 31.0);
    let text = loaded(|asked| (asked.target == "/static-text").then(|| page(HIT, "another\n")));
    assert_eq!(errors(&text, "text: the text is not the contest's"), 50);
    let silent = loaded(|asked| (asked.target == "/static-text").then(|| page("", STATIC_TEXT)));
    assert_eq!(errors(&silent, "text: no X-Cache-Status"), 50);
    let answers = silent.answers.unwrap();
    assert_eq!((answers.checked, answers.wrong, answers.by_cache["HIT"]), (100, 50, 50));
    let gone = loaded(|asked| (asked.target == "/time").then(|| Reply::new("502 Bad Gateway", HIT, "")));
    assert_eq!(gone.answers.unwrap().checked, 50, "what is no page is no wrong one");
}

#[test]
fn a_page_without_rules_is_refused_before_the_first_request() {
    let server = Server::start(|_| page(HIT, STATIC_TEXT));
    let mut plan = plan(&server);
    plan.load.scenarios[0].requests[0].path = "/".into();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let error = format!("{:#}", pouco_lab::load::run(&plan, &stop, &mut |_| {}).unwrap_err());
    assert!(error.contains("request text: path: /static-text and /time"), "{error}");
}
