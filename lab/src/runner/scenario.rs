//! What a load of scenarios needs right before it, and what must hold after it beside answers and users: the
//! lab looks at the tables that are changed before and after, and the oracle compares the two with what was
//! acknowledged.

use std::thread;

use anyhow::{Context, Result, anyhow, ensure};

use super::Settings;
use super::work::Work;
use crate::contest::{Cold, Contest, Phase, Sent};
use crate::contestant::Contestant;
use crate::drivers::Arrivals;
use crate::http;
use crate::meters::ApiPoint;
use crate::oracle::scenarios::{Course, LOGINS, Tally, Task, course, token};
use crate::record::{Conformance, Proven, Second};
use crate::stack::Stack;

/// So many ask at once for who is cold.
const AT_ONCE: usize = 100;

/// What is known before the load.
#[derive(Default)]
pub(super) struct Before {
    /// What the tables held, by the query that looked at them, with a task that it belongs to.
    looks: Vec<(Task, String, serde_json::Value)>,
    documents: Vec<(Task, serde_json::Value)>,
    tokens: Vec<String>,
    /// What was proven before the load.
    proven: Vec<Proven>,
}

/// Asks what is asked once before the load, and looks at what the load will change.
///
/// # Errors
/// An answer is not 200, or the database cannot be asked.
pub(super) fn prepare(contest: &Contest, contestant: &Contestant, stack: &dyn Stack) -> Result<Before> {
    let mut before = Before::default();
    if let Some(cold) = contest.load.variant.as_ref().and_then(|variant| variant.cold.as_ref()) {
        before.proven.extend(single_flight(contest, contestant, stack, cold)?);
    }
    for Sent { method, path } in &contest.load.before {
        ask(contest, method, path, &[200])?;
    }
    if !contest.load.login.is_empty() {
        for user in 1..=LOGINS {
            let path = contest.load.login.replace("{asked}", &user.to_string());
            let body = ask(contest, "POST", &path, &[200])?;
            before.tokens.push(token(&body).map_err(|wrong| anyhow!("{path}: {wrong}"))?);
        }
    }
    let database = contestant.database.as_ref();
    let schema = database.and_then(|it| it.schema.as_ref()).map(|name| format!("\"{name}\"."));
    for request in contest.requests() {
        let Some(task) = contest.oracle.task(&request.method, &request.path)? else { continue };
        let of_schema = |query: &str| query.replace("{schema}", schema.as_deref().unwrap_or_default());
        if let Task::Document(document) = task {
            before.documents.push((task, look(stack, &of_schema(&document.query()))?));
        }
        let Some(query) = task.looks_at() else { continue };
        let query = of_schema(query);
        if before.looks.iter().all(|(_, other, _)| *other != query) {
            let found = look(stack, &query)?;
            before.looks.push((task, query, found));
        }
    }
    Ok(before)
}

/// Rules of an optional load that are not kept, by their names: what they ask for is what it compares.
pub(super) fn broken(contest: &Contest, pass: &Conformance) -> Option<Proven> {
    let names: Vec<&str> = pass.failures.iter().map(|failure| failure.rule.as_str()).collect();
    let wrong = names.len() as u64;
    let what = "rules broken".to_owned();
    contest.load.optional.then(|| Proven { what, count: wrong, wrong, found: names.join("; ") })
}

fn ask(contest: &Contest, method: &str, path: &str, allowed: &[u16]) -> Result<Vec<u8>> {
    let request = http::Request { method, path, headers: &[], body: None };
    let answer = http::Connection::open(contest.address())?.ask(&request)?;
    ensure!(allowed.contains(&answer.status), "{method} {path} is answered with {}", answer.status);
    Ok(answer.body)
}

/// Statements beyond the one that must be enough; nothing where they cannot be counted.
fn single_flight(
    contest: &Contest,
    contestant: &Contestant,
    stack: &dyn Stack,
    cold: &Cold,
) -> Result<Option<Proven>> {
    ask(contest, "DELETE", &cold.forget, &[204])?;
    let Some(work) = Work::begin(contest, stack)? else { return Ok(None) };
    thread::scope(|scope| {
        let one = || scope.spawn(|| ask(contest, "GET", &cold.ask, &[200]));
        let all: Vec<_> = (0..AT_ONCE).map(|_| one()).collect();
        all.into_iter().try_for_each(|it| {
            it.join().map_err(|_| anyhow!("a client panicked")).and_then(|answer| answer.map(drop))
        })
    })?;
    let Some(statements) = work.statements(contestant, stack)? else { return Ok(None) };
    let wrong = statements.saturating_sub(1);
    Ok(Some(Proven {
        what: "statements beyond one for somebody who is cold".to_owned(),
        count: wrong,
        wrong,
        found: format!("{AT_ONCE} asked at once, and {statements} statements were made"),
    }))
}

/// What the load's seconds say of its course; `begun` is its beginning by the meter's clock.
///
/// # Errors
/// The load cannot have that length.
pub(super) fn course(
    settings: &Settings,
    series: &[Second],
    apis: &[ApiPoint],
    begun: f64,
) -> Result<Vec<Proven>> {
    let contest = &settings.contest;
    match contest.load.course {
        None => Ok(Vec::new()),
        Some(Course::Long) => {
            let since = |point: &ApiPoint| ApiPoint { second: point.second - begun, ..*point };
            Ok(course::long(series, &apis.iter().map(since).collect::<Vec<_>>()))
        }
        Some(Course::Spike) => {
            let arrivals = Arrivals::new(contest, settings.scale, settings.seconds)?;
            let of_spike = |phases: &&Vec<Phase>| phases.iter().any(|phase| phase.to > phase.from);
            let phases = arrivals.scenarios.iter().map(|it| &it.phases).find(of_spike);
            let phases = phases.context("nobody comes for a while")?;
            let nobody = |phase: &&Phase| phase.from + phase.to == 0.0;
            let length = |phase: &Phase| phase.seconds;
            let from = phases.iter().take_while(nobody).map(length).sum();
            let rest: f64 = phases.iter().rev().take_while(nobody).map(length).sum();
            Ok(course::spike(series, from, arrivals.seconds() - rest))
        }
    }
}

impl Before {
    /// `settings` with what is known now.
    pub(super) fn settings(&self, settings: &Settings) -> Settings {
        let mut settings = settings.clone();
        settings.contest.load.tokens.clone_from(&self.tokens);
        settings.contest.load.documents.clone_from(&self.documents);
        settings
    }

    /// What is found now, against what was found then and what was acknowledged since.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub(super) fn prove(&self, contest: &Contest, tally: &Tally, stack: &dyn Stack) -> Result<Vec<Proven>> {
        let known_to_lose = contest.load.variant.as_ref().is_some_and(|variant| variant.unranked);
        let mut proven = self.proven.clone();
        for (task, query, before) in &self.looks {
            proven.extend(tally.prove(*task, before, &look(stack, query)?, known_to_lose));
        }
        Ok(proven)
    }
}

fn look(stack: &dyn Stack, query: &str) -> Result<serde_json::Value> {
    let text = stack.sql(query)?;
    serde_json::from_str(text.trim()).with_context(|| format!("{query}: no JSON document"))
}
