//! A capacity search from its first step to its last, on a stack that falls over, does not get up at once,
//! and loses rows.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::load_support::{Asked, Reply, Server, people};
use anyhow::{Result, bail};
use pouco_lab::contest::Contest;
use pouco_lab::contestant::{Contestant, Role};
use pouco_lab::drivers::Native;
use pouco_lab::meters::Target;
use pouco_lab::runner::{Entrant, Feeds, Settings, capacity};
use pouco_lab::stack::Stack;
use pouco_lab::view::View;
use tempfile::TempDir;

/// What the server and the stack share.
#[derive(Default)]
struct Contested {
    dead: AtomicBool,
    /// The creations of one second, and when it began.
    window: Mutex<Option<(Instant, u32)>>,
}

impl Contested {
    /// Dies at more than `most` creations in one second.
    fn answer(&self, asked: &Asked, most: u32) -> Reply {
        if asked.method == "POST" {
            let mut window = self.window.lock().unwrap();
            let (began, count) = window.get_or_insert_with(|| (Instant::now(), 0));
            if began.elapsed().as_secs() >= 1 {
                (*began, *count) = (Instant::now(), 0);
            }
            *count += 1;
            if *count > most {
                self.dead.store(true, Ordering::SeqCst);
            }
        }
        if self.dead.load(Ordering::SeqCst) { Reply::raw("", true) } else { people(asked) }
    }
}

/// Measured and limited as the recorded tree says, which is always at rest. It has no rows.
struct Frail {
    contested: Arc<Contested>,
    /// The recorded tree.
    root: PathBuf,
    /// Set by the first start after a step that failed.
    stop: Option<Arc<AtomicBool>>,
    starts: Vec<&'static str>,
}

impl Stack for Frail {
    fn up(&mut self) -> Result<()> {
        self.starts.push("up");
        Ok(())
    }

    /// The first one is the second start; the next, after an overload, fails.
    fn restart(&mut self) -> Result<()> {
        self.starts.push("restart");
        if let Some(stop) = self.stop.as_ref().filter(|_| self.starts.len() == 3) {
            stop.store(true, Ordering::SeqCst);
        } else if self.starts.len() == 3 {
            bail!("the engine refused");
        }
        *self.contested.window.lock().unwrap() = None;
        self.contested.dead.store(false, Ordering::SeqCst);
        Ok(())
    }

    fn targets(&self) -> Result<Vec<Target>> {
        let pid = if self.contested.dead.load(Ordering::SeqCst) { None } else { Some(1) };
        Ok(pid
            .map(|pid| Target {
                service: "api".into(),
                role: Some(Role::Api),
                pid,
                container_id: None,
                root: self.root.clone(),
            })
            .into_iter()
            .collect())
    }

    fn sql(&self, statement: &str) -> Result<String> {
        Ok(said_by_a_database(statement))
    }

    fn logs(&self) -> String {
        "its last words\n".to_owned()
    }

    fn down(&mut self) -> Result<()> {
        bail!("a volume is left")
    }
}

/// The recorded tree of a process that does nothing, whose limits are those of the contestant.
pub(crate) fn bounded() -> PathBuf {
    top().join("tests/contest/cgroups/bounded")
}

/// What the database beside it says: its connections are bounded too, and it is durable and empty.
pub(crate) fn said_by_a_database(statement: &str) -> String {
    match statement {
        itself if itself.contains("datconnlimit") => {
            r#"{"limit": 20, "superuser": false, "overlaid": [], "unlogged": [],
                "settings": {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}}"#
        }
        count if count.starts_with("SELECT count") => "0",
        _ => "",
    }
    .to_owned()
}

/// Copies a folder with all that is in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() { copy(&from, &to) } else { assert!(std::fs::copy(&from, &to).is_ok()) }
    }
}

pub(crate) fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// A search with plateaus of a second, of creations alone: 80 a second at scale 1.
fn settings(server: &Server, folder: &TempDir, scale: f64) -> Settings {
    // The folder's port is filled in where processes are started; here the server has one already.
    let source = std::fs::read_to_string(top().join("tests/contest/tiny/contest.toml")).unwrap();
    let tiny = folder.path().join("tiny");
    std::fs::create_dir(&tiny).unwrap();
    let filled = source.replace("{port}", &server.address.port().to_string());
    std::fs::write(tiny.join("contest.toml"), filled).unwrap();
    std::fs::copy(top().join("tests/contest/tiny/conformance.toml"), tiny.join("conformance.toml")).unwrap();
    let mut contest = Contest::read(&tiny).unwrap();
    contest.load.scenarios.truncate(1);
    search(contest, folder, scale)
}

/// A search that begins with a `scale`, of steps of a second.
pub(crate) fn search(contest: Contest, folder: &TempDir, scale: f64) -> Settings {
    Settings {
        top: top(),
        contest,
        entrants: Vec::new(),
        times: 1,
        scale,
        seconds: Some(1),
        seed: 1,
        driver: std::rc::Rc::new(Native),
        feeds: Feeds {
            payloads_file: folder.path().join("none"),
            payloads: crate::load_support::payloads(20_000),
            terms_file: folder.path().join("none"),
            terms: crate::load_support::lines(&["a"]),
        },
        folder: folder.path().to_owned(),
        complete: false,
        find_limit: true,
        kill: false,
        build: false,
        command: String::new(),
    }
}

pub(crate) fn entrant() -> Entrant {
    let contestant = Contestant::read(&top().join("tests/contest/peers/honest")).unwrap();
    Entrant { mode: contestant.default_mode.clone(), contestant, variant: None }
}

#[test]
fn who_dies_at_a_step_has_failed_it_and_keeps_what_it_passed() {
    let contested = Arc::new(Contested::default());
    let shared = Arc::clone(&contested);
    // 80 a second are served, and 160 are not.
    let server = Server::start(move |asked| shared.answer(asked, 120));
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(&server, &folder, 2.0);
    let mut stack = Frail { contested, root: bounded(), stop: None, starts: Vec::new() };
    let stop = AtomicBool::new(false);
    let found = capacity::search_on(&mut stack, &settings, &entrant(), &stop, &mut View::default());

    let said = |step: usize, words: &str| {
        let errors = &found.steps[step].errors;
        assert!(errors.iter().any(|error| error.message.contains(words)), "{step}: {errors:?}");
    };
    assert!((found.steps[0].scale - 2.0).abs() < 1e-9 && !found.steps[0].passed, "{found:?}");
    said(0, "api has ended");
    assert!(found.steps[0].settled_seconds.is_some(), "{found:?}");
    // It does not start again at first, which is no fault of the scale: the step is repeated.
    said(1, "the engine refused");
    assert!(
        (found.steps[2].scale - 1.0).abs() < 1e-9 && found.steps[2].requests_per_second > 0.0,
        "{found:?}"
    );
    assert_eq!(found.steps[0].acknowledged_before, 0);
    assert!(found.steps[1].acknowledged_before > 0, "{found:?}");
    let passed = found.scale.unwrap();
    assert!((0.1..1.99).contains(&passed), "{found:?}");
    let failures = found.steps.iter().filter(|step| !step.passed).count();
    // One start after each failure, beside the two of the beginning; the engine's refusal was one.
    assert_eq!(stack.starts.len(), 2 + failures, "{found:?}");
    assert!(folder.path().join("honest-capacity-2.00.log").exists());
    // Nothing is in its table, and that is why the capacity does not count; the mishap at the end is said
    // too.
    assert!(found.lost.unwrap() > 0);
    assert!(found.reasons.len() == 1 && found.reasons[0].contains("rows are lost"), "{:?}", found.reasons);
    assert!(
        found.warnings.iter().any(|warning| warning.contains("a volume is left")),
        "{:?}",
        found.warnings
    );
    assert!(found.rule.contains("for 1 s at the peak rates, and at rest within 10 s"), "{}", found.rule);
}

#[test]
fn a_step_that_was_stopped_is_none() {
    let stop = Arc::new(AtomicBool::new(false));
    let shared = Arc::clone(&stop);
    let server = Server::start(move |asked| {
        if asked.method == "POST" {
            shared.store(true, Ordering::SeqCst);
        }
        people(asked)
    });
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(&server, &folder, 1.0);
    let mut stack = Frail { contested: Arc::default(), root: bounded(), stop: None, starts: Vec::new() };
    let found = capacity::search_on(&mut stack, &settings, &entrant(), &stop, &mut View::default());
    assert!(found.steps.is_empty() && found.scale.is_none(), "{found:?}");
    assert_eq!(found.reasons, ["interrupted"]);
}

#[test]
fn who_puts_its_work_off_pays_for_it_and_does_not_pass() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("tree");
    copy(&bounded(), &root);
    let usage = root.join("sys/fs/cgroup/cpu,cpuacct/lab/tiny/cpuacct.usage");
    // From the first creation on it is at work on a core without an end.
    let begun = Arc::new(Mutex::new(None));
    let (shared, over) = (Arc::clone(&begun), Arc::new(AtomicBool::new(false)));
    let server = Server::start(move |asked| {
        if asked.method == "POST" {
            shared.lock().unwrap().get_or_insert_with(Instant::now);
        }
        people(asked)
    });
    let ended = Arc::clone(&over);
    let kernel = std::thread::spawn(move || {
        let unfinished = usage.with_extension("new");
        while !ended.load(Ordering::SeqCst) {
            let worked = begun.lock().unwrap().map_or(0, |begun: Instant| begun.elapsed().as_nanos());
            std::fs::write(&unfinished, worked.to_string()).unwrap();
            std::fs::rename(&unfinished, &usage).unwrap();
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let settings = settings(&server, &folder, 1.0);
    let stop = Arc::new(AtomicBool::new(false));
    let mut stack =
        Frail { contested: Arc::default(), root, stop: Some(Arc::clone(&stop)), starts: Vec::new() };
    let found = capacity::search_on(&mut stack, &settings, &entrant(), &stop, &mut View::default());
    over.store(true, Ordering::SeqCst);
    kernel.join().unwrap();

    let step = &found.steps[0];
    assert!(!step.passed && step.settled_seconds.is_none(), "{step:?}");
    let last = &step.errors.last().unwrap().message;
    assert_eq!(last, "still at work 10 s after the last answer");
    // The load takes five seconds and the wait ten.
    assert!(step.cpu_seconds > 13.0, "{step:?}");
    assert_eq!(found.steps.len(), 1);
}
