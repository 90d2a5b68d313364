//! What is known of a campaign, and how it is written down for the page: parts, each of which is one event.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::course::Course;
use super::{Campaign, Ended, Event, Key, Planned, Reader};
use crate::command;
use crate::meters::SeriesPoint;
use crate::report;
use crate::view::Tick;

/// Attempts in the page's table: those that ended last, and those that come next.
const MOST_ROWS: usize = 400;
/// Steps that are shown.
const MOST_STEPS: usize = 20;
/// Of each text from outside, such as an error.
const MOST_LETTERS: usize = 300;
/// After so long without a tick there are no figures of the generator's.
const SILENCE: Duration = Duration::from_secs(3);

/// The names of the parts, in the order in which they are sent.
const PARTS: [&str; 5] = ["campaign", "attempts", "now", "steps", "course"];

/// What viewers are told: all parts, each with the version in which it changed last.
#[derive(Debug, Default)]
pub(super) struct Frame {
    pub(super) version: u64,
    parts: Vec<(u64, Arc<str>)>,
}

impl Frame {
    /// The events since `version`, for a viewer that has seen that.
    pub(super) fn since(&self, version: u64) -> String {
        let parts = PARTS.iter().zip(&self.parts).filter(|(_, (changed, _))| *changed > version);
        let events = parts.map(|(name, (_, data))| format!("event: {name}\ndata: {data}\n\n"));
        events.collect()
    }
}

/// An attempt, and what became of it.
struct Row {
    key: Key,
    /// Of its load.
    seconds: f64,
    is: Is,
    /// Of this run.
    took: Option<f64>,
}

enum Is {
    Waiting,
    Running,
    Ended(Ended),
    /// Before this run began.
    EndedBefore(Ended),
}

impl Row {
    fn new(planned: Planned) -> Self {
        let Planned { key, seconds, ended } = planned;
        Self { key, seconds, is: ended.map_or(Is::Waiting, Is::EndedBefore), took: None }
    }

    fn has_ended(&self) -> bool {
        matches!(self.is, Is::Ended(_) | Is::EndedBefore(_))
    }

    fn waits(&self) -> bool {
        matches!(self.is, Is::Waiting)
    }
}

pub(super) struct State {
    campaign: Campaign,
    started: Instant,
    rows: Vec<Row>,
    /// The attempt that runs, and since when.
    running: Option<(usize, Instant)>,
    steps: VecDeque<String>,
    course: Course,
    course_began: Instant,
    reader: Option<Reader>,
    used: Option<SeriesPoint>,
    tick: Option<(Tick, Instant)>,
    stopping: bool,
    over: bool,
}

impl State {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            campaign: Campaign::default(),
            started: now,
            rows: Vec::new(),
            running: None,
            steps: VecDeque::new(),
            course: Course::default(),
            course_began: now,
            reader: None,
            used: None,
            tick: None,
            stopping: false,
            over: false,
        }
    }

    pub(super) fn take(&mut self, event: Event) {
        match event {
            Event::Planned(campaign, planned) => {
                self.campaign = campaign;
                self.rows = planned.into_iter().map(Row::new).collect();
            }
            Event::Begins(key) => {
                let place = self.row(&key);
                self.rows[place].is = Is::Running;
                self.running = Some((place, Instant::now()));
                (self.course, self.tick, self.reader) = <_>::default();
                self.steps.clear();
            }
            Event::Metered(reader) => {
                (self.course, self.tick) = <_>::default();
                self.course_began = Instant::now();
                self.reader = Some(reader);
            }
            Event::Step(step) if step.is_empty() => {}
            Event::Step(step) => {
                if self.steps.len() == MOST_STEPS {
                    self.steps.pop_front();
                }
                self.steps.push_back(short(&step));
            }
            Event::Tick(tick) => {
                self.course.tick(self.second(), &tick);
                self.tick = Some((tick, Instant::now()));
            }
            Event::Loaded => self.tick = None,
            Event::Ended(key, ended) => {
                let place = self.row(&key);
                if let Some((_, began)) = self.running.take_if(|(running, _)| *running == place) {
                    self.rows[place].took = Some(began.elapsed().as_secs_f64());
                }
                self.rows[place].is = Is::Ended(ended);
            }
        }
    }

    /// What no event tells: the meters, and whether the lab is to end.
    pub(super) fn beat(&mut self) {
        self.stopping |= command::interrupted();
        let point = self.reader.as_ref().and_then(|read| read());
        if let Some(point) = point.filter(|point| self.used != Some(*point)) {
            self.course.meter(self.second(), point);
        }
        self.used = point;
    }

    /// The run has ended. What it left undone is not done.
    pub(super) fn over(&mut self) {
        self.over = true;
        if let Some((place, _)) = self.running {
            self.rows[place].is = Is::Waiting;
        }
        (self.reader, self.used, self.running) = <_>::default();
    }

    fn second(&self) -> u32 {
        u32::try_from(self.course_began.elapsed().as_secs()).unwrap_or(u32::MAX)
    }

    /// One that nobody has planned is the next one.
    fn row(&mut self, key: &Key) -> usize {
        let known = self.rows.iter().position(|row| row.key == *key);
        known.unwrap_or_else(|| {
            self.rows.push(Row::new(Planned { key: key.clone(), ..Planned::default() }));
            self.rows.len() - 1
        })
    }

    /// All that there is to tell, with the versions of what is as in the `former` one.
    pub(super) fn frame(&self, former: &Frame) -> Frame {
        let version = former.version + 1;
        let texts = [self.campaign(), self.attempts(), self.now(), json!(self.steps), self.drawn()];
        let parts = texts.iter().enumerate().map(|(place, value)| {
            // Without a line break: within a JSON text there is none.
            let text = value.to_string();
            match former.parts.get(place).filter(|(_, before)| **before == *text) {
                Some(same) => same.clone(),
                None => (version, text.into()),
            }
        });
        let parts: Vec<_> = parts.collect();
        let version =
            if parts.iter().any(|(changed, _)| *changed == version) { version } else { former.version };
        Frame { version, parts }
    }

    fn campaign(&self) -> Value {
        let Campaign { title, tool, command, .. } = &self.campaign;
        let ended = self.rows.iter().filter(|row| row.has_ended()).count();
        let left =
            left(&self.rows, self.running.map(|(place, began)| (place, began.elapsed().as_secs_f64())));
        let next = self.rows.iter().find(|row| row.waits());
        let state = match (self.over, self.stopping) {
            (true, _) => "over",
            (_, true) => "stopping",
            _ => "running",
        };
        json!({
            "state": state, "title": title, "tool": tool, "command": short(command),
            "elapsed_seconds": self.started.elapsed().as_secs(), "ended": ended, "planned": self.rows.len(),
            "left_seconds": left.all.round(), "left_at_least": left.at_least,
            "next": next.map(|row| named(&row.key)), "next_in_seconds": left.running.map(f64::round),
        })
    }

    fn attempts(&self) -> Value {
        let all = self.rows.len();
        let running = self.running.map(|(place, _)| place);
        let middle = running.or_else(|| self.rows.iter().position(Row::waits));
        let first = middle.unwrap_or(all).saturating_sub(MOST_ROWS / 2).min(all.saturating_sub(MOST_ROWS));
        let shown = self.rows.iter().skip(first).take(MOST_ROWS);
        json!({ "omitted": all.saturating_sub(MOST_ROWS), "rows": shown.map(told).collect::<Vec<_>>() })
    }

    fn now(&self) -> Value {
        let Some((place, began)) = self.running else { return Value::Null };
        let tick = self.tick.as_ref().filter(|(_, at)| at.elapsed() < SILENCE).map(|(tick, _)| tick);
        let mut now = named(&self.rows[place].key);
        now["elapsed_seconds"] = json!(began.elapsed().as_secs());
        now["metered"] = json!(self.reader.is_some() && self.used.is_some());
        now["cpus"] = json!(self.used.map(|point| point.cpus));
        now["memory_bytes"] = json!(self.used.map(|point| point.memory_bytes));
        now["told"] = json!(tick.is_some());
        if let Some(tick) = tick {
            now["requests_per_second"] = json!(tick.answers);
            now["users_per_second"] = json!(tick.achieved);
            now["users_asked_per_second"] = json!(tick.asked);
            now["p99_ms"] = json!(tick.p99_ms);
            now["failed"] = json!(tick.failed);
            now["load_left_seconds"] = json!(tick.left.as_secs());
        }
        now
    }

    /// The pictures, as HTML.
    fn drawn(&self) -> Value {
        let (seen, used) = (&self.course.seen.points, &self.course.used.points);
        if seen.is_empty() && used.is_empty() {
            return json!("");
        }
        let who = self.running.map_or("", |(place, _)| &self.rows[place].key.contestant);
        json!(report::live::course(who, seen, used, &self.campaign.budget))
    }
}

fn named(key: &Key) -> Value {
    json!({ "load": key.load, "contestant": key.contestant, "round": key.round })
}

fn told(row: &Row) -> Value {
    let mut told = named(&row.key);
    told["state"] = json!(match row.is {
        Is::Waiting => "waiting",
        Is::Running => "running",
        Is::Ended(_) => "ended",
        Is::EndedBefore(_) => "ended-before",
    });
    if let Is::Ended(ended) | Is::EndedBefore(ended) = &row.is {
        let Ended { words, tone, requests_per_second, p99_ms, failed, cpu_seconds, memory_bytes } = ended;
        told["words"] = json!(short(words));
        told["tone"] = json!(tone);
        told["requests_per_second"] = json!(requests_per_second);
        told["p99_ms"] = json!(p99_ms);
        told["failed"] = json!(failed);
        told["cpu_seconds"] = json!(cpu_seconds);
        told["memory_bytes"] = json!(memory_bytes);
    }
    told
}

/// A text from outside in one line of bounded length.
fn short(text: &str) -> String {
    let mut letters = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    let kept: String = letters.by_ref().take(MOST_LETTERS).collect();
    if letters.next().is_some() { kept + "…" } else { kept }
}

/// How long it will take.
#[derive(Debug, PartialEq)]
struct Left {
    /// Until the end of all, in seconds.
    all: f64,
    /// Until the end of the attempt that runs; absent where nobody knows.
    running: Option<f64>,
    /// Only the loads are known, and not what is done around them: no attempt has ended yet.
    at_least: bool,
}

/// An attempt takes its load, and as much more as those of the same contestant took so far, otherwise as
/// those of all: starts, rules, rest and rows.
fn left(rows: &[Row], running: Option<(usize, f64)>) -> Left {
    let of_all = more(rows.iter());
    let expected = |row: &Row| {
        let mine = rows.iter().filter(|other| other.key.contestant == row.key.contestant);
        row.seconds + more(mine).or(of_all).unwrap_or(0.0)
    };
    let waiting: f64 = rows.iter().filter(|row| row.waits()).map(expected).sum();
    let now = running.map(|(place, elapsed)| (expected(&rows[place]) - elapsed).max(0.0));
    Left {
        all: waiting + now.unwrap_or(0.0),
        running: now.filter(|_| of_all.is_some()),
        at_least: of_all.is_none(),
    }
}

/// What the attempts that have ended took besides their loads, on average.
fn more<'r>(rows: impl Iterator<Item = &'r Row>) -> Option<f64> {
    let more: Vec<f64> = rows.filter_map(|row| Some((row.took? - row.seconds).max(0.0))).collect();
    (!more.is_empty()).then(|| more.iter().sum::<f64>() / more.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(contestant: &str, round: u32) -> Key {
        Key { load: None, contestant: contestant.into(), round }
    }

    fn row(contestant: &str, took: Option<f64>) -> Row {
        let is = if took.is_some() { Is::Ended(Ended::default()) } else { Is::Waiting };
        Row { key: key(contestant, 1), seconds: 10.0, is, took }
    }

    #[test]
    fn what_it_will_take_is_learnt_from_what_it_took() {
        let mut rows = vec![row("a", None), row("b", None), row("a", None)];
        rows[0].is = Is::Running;
        assert_eq!(left(&rows, Some((0, 4.0))), Left { all: 26.0, running: None, at_least: true });
        rows[0] = row("a", Some(16.0));
        rows[1].is = Is::Running;
        // 10 s and 6 more each, of which one has run for 5.
        assert_eq!(left(&rows, Some((1, 5.0))), Left { all: 27.0, running: Some(11.0), at_least: false });
        rows[1] = row("b", Some(40.0));
        assert_eq!(left(&rows, None), Left { all: 16.0, running: None, at_least: false });
        rows[2].is = Is::Running;
        assert_eq!(left(&rows, Some((2, 99.0))).all, 0.0);
    }

    #[test]
    fn only_what_has_changed_is_told_again_and_a_newcomer_gets_all() {
        let mut state = State::new();
        let first = state.frame(&Frame::default());
        assert!(PARTS.iter().all(|part| first.since(0).contains(&format!("event: {part}\n"))));
        assert_eq!(first.since(first.version), "");
        state.take(Event::Step("one\r\ntwo".into()));
        let second = state.frame(&first);
        assert!(second.since(first.version).contains("event: steps\ndata: [\"one  two\"]\n\n"));
        assert!(!second.since(first.version).contains("event: attempts"));
        assert!(second.since(0).contains("event: attempts"));
    }

    #[test]
    fn a_campaign_of_any_size_is_a_bounded_frame() {
        let mut state = State::new();
        let planned = |round| Planned { key: key(&"x".repeat(64), round), seconds: 3_600.0, ended: None };
        state.take(Event::Planned(Campaign::default(), (0..2_400).map(planned).collect()));
        let ended = || Ended { words: "ä".repeat(10_000), ..Ended::default() };
        for round in 0..1_200 {
            state.take(Event::Begins(key(&"x".repeat(64), round)));
            state.take(Event::Step("y".repeat(10_000)));
            state.take(Event::Ended(key(&"x".repeat(64), round), ended()));
        }
        state.take(Event::Begins(key(&"x".repeat(64), 1_200)));
        for second in 0..7_200_u32 {
            state.course.tick(second, &Tick { answers: 12_345.678, p99_ms: Some(12.345), ..Tick::default() });
            let point = SeriesPoint { second: 0.0, cpus: 1.234, memory_bytes: 123_456_789 };
            state.course.meter(second, point);
        }
        let frame = state.frame(&Frame::default());
        let (all, most) = (frame.since(0), super::super::server::MOST_BYTES);
        assert!(all.len() < most && all.len() > most / 8, "{}", all.len());
        assert!(all.contains("\"round\":1200,\"state\":\"running\"") && all.contains("\"omitted\":2000"));
    }

    #[test]
    fn meters_are_shown_where_the_generator_tells_nothing() {
        let mut state = State::new();
        state.take(Event::Begins(key("slow", 1)));
        assert_eq!(state.now()["told"], false);
        state
            .take(Event::Metered(Box::new(|| Some(SeriesPoint { second: 1.0, cpus: 0.5, memory_bytes: 7 }))));
        state.beat();
        let now = state.now();
        assert_eq!((&now["told"], &now["metered"]), (&json!(false), &json!(true)));
        assert_eq!((&now["cpus"], &now["memory_bytes"]), (&json!(0.5), &json!(7)));
        let drawn = state.drawn();
        let drawn = drawn.as_str().unwrap();
        assert!(drawn.contains("Memory, MB") && !drawn.contains("p99"), "{drawn}");
        state.take(Event::Tick(Tick { answers: 12.0, ..Tick::default() }));
        assert_eq!(state.now()["requests_per_second"], 12.0);
        assert!(state.drawn().as_str().unwrap().contains("p99, ms"));
    }
}
