//! What is told: failures with what was sent and seen, counts by category, the same as JSON and as a table.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value, json};

use super::run::{Outcome, Verdict};
use super::template::Step;

/// More of a long request or answer says nothing new.
const SHOWN_BYTES: usize = 400;

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    pub passed: usize,
    pub failed: usize,
    pub smuggled: usize,
    pub warned: usize,
}

pub fn counts(outcomes: &[Outcome]) -> BTreeMap<&'static str, Counts> {
    let mut by_category = BTreeMap::<_, Counts>::new();
    for outcome in outcomes {
        let counts = by_category.entry(outcome.case.category).or_default();
        match outcome.verdict {
            Verdict::Passed => counts.passed += 1,
            Verdict::Warned(_) => counts.warned += 1,
            Verdict::Failed(_) => counts.failed += 1,
            Verdict::Smuggled(_) => counts.smuggled += 1,
        }
    }
    by_category
}

/// Behind a proxy most answers are the proxy's own, and so are most failures; what is smuggled through it
/// counts.
pub fn is_good(outcomes: &[Outcome], proxy: bool) -> bool {
    outcomes.iter().all(|outcome| match outcome.verdict {
        Verdict::Passed => true,
        Verdict::Smuggled(_) => false,
        Verdict::Warned(_) | Verdict::Failed(_) => proxy,
    })
}

pub fn text(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    for outcome in outcomes {
        let Some((word, what)) = word(&outcome.verdict) else { continue };
        let case = &outcome.case;
        let _ = writeln!(
            text,
            "{word} {} / {} ({}, RFC {}): {what}; came: {}\n    sent: {}\n    came: {}",
            case.category,
            case.id,
            case.level,
            case.section,
            outcome.seen,
            sent(&outcome.sent),
            escaped(&outcome.seen.raw),
        );
    }
    for (category, counts) in counts(outcomes) {
        let Counts { passed, failed, smuggled, warned } = counts;
        let through = if smuggled > 0 { format!(", {smuggled} SMUGGLED THROUGH") } else { String::new() };
        let _ = writeln!(
            text,
            "{category}: {passed} passed, {failed} failed, {warned} warnings (SHOULD){through}"
        );
    }
    text
}

pub fn json(outcomes: &[Outcome], target: &str) -> Value {
    let cases: Vec<Value> = outcomes
        .iter()
        .map(|outcome| {
            let (verdict, what) = word(&outcome.verdict).unwrap_or(("passed", ""));
            json!({
                "category": outcome.case.category, "id": outcome.case.id, "rfc": outcome.case.section,
                "level": outcome.case.level.to_string(), "allowed": outcome.case.allowed,
                "preferred": outcome.case.preferred, "verdict": verdict, "why": what,
                "sent": sent(&outcome.sent), "came": outcome.seen.to_string(),
                "bytes": escaped(&outcome.seen.raw),
            })
        })
        .collect();
    json!({ "server": target, "cases": cases })
}

pub fn markdown(outcomes: &[Outcome], target: &str) -> String {
    let mut text = format!("# Probe of {target}\n\n| category | passed | failed | smuggled | warnings |\n");
    text.push_str("|---|---|---|---|---|\n");
    for (category, Counts { passed, failed, smuggled, warned }) in counts(outcomes) {
        let _ = writeln!(text, "| {category} | {passed} | {failed} | {smuggled} | {warned} |");
    }
    text.push_str(
        "\n| category | case | RFC | level | allowed | came | verdict |\n|---|---|---|---|---|---|---|\n",
    );
    for Outcome { case, verdict, seen, .. } in outcomes {
        let (verdict, _) = word(verdict).unwrap_or(("passed", ""));
        let preferred = if case.preferred.is_empty() { "" } else { " or " };
        let allowed = format!("{}{preferred}{}", case.preferred, case.allowed).replace('|', " or ");
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {allowed} | {seen} | {verdict} |",
            case.category, case.id, case.section, case.level
        );
    }
    text
}

fn word(verdict: &Verdict) -> Option<(&'static str, &str)> {
    match verdict {
        Verdict::Passed => None,
        Verdict::Warned(what) => Some(("warning", what)),
        Verdict::Failed(what) => Some(("FAILED", what)),
        Verdict::Smuggled(what) => Some(("SMUGGLED", what)),
    }
}

fn sent(steps: &[Step]) -> String {
    let shown = steps.iter().map(|step| match step {
        Step::Send(bytes) => escaped(bytes),
        Step::Pause(ms) => format!("[{ms} ms]"),
        Step::Await => "[wait for an answer]".to_owned(),
        Step::Each(ms) => format!("[byte by byte, {ms} ms]"),
        Step::End => "[end]".to_owned(),
    });
    shown.collect::<Vec<_>>().join(" ")
}

fn escaped(bytes: &[u8]) -> String {
    let shown = bytes[..bytes.len().min(SHOWN_BYTES)].escape_ascii().to_string();
    match bytes.len().checked_sub(SHOWN_BYTES) {
        Some(more) if more > 0 => format!("\"{shown}\" and {more} bytes"),
        _ => format!("\"{shown}\""),
    }
}
