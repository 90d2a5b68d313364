//! Ends that nothing can prevent: what the process says of them, and that it does not linger. Each is tried
//! in a process of its own, which this program starts of itself.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::support::{Engine, Target};
use log::LevelFilter;
use pouco::http::{Limits, Method, Router};
use pouco::logging::{self, Format};
use pouco::waiting::{life, sleep};

/// Set in the processes that the tests below start.
const PART: &str = "POUCO_TEST_PART";

fn part() -> Option<String> {
    std::env::var(PART).ok()
}

/// Runs one test of this program again, as the part that ends.
fn again(test: &str, part: &str, settings: &[(&str, &str)]) -> Output {
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", test, "--nocapture"]).env(PART, part).env_remove("RUST_BACKTRACE");
    again.envs(settings.iter().copied()).stdin(Stdio::null()).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

static LOCK: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// Deeper than any stack.
fn recurse(depth: u64) -> u64 {
    let kept = std::hint::black_box([depth; 64]);
    if depth == u64::MAX { 0 } else { recurse(depth + 1) + kept[usize::from(depth > 3)] }
}

fn overflow() {
    let mut router = Router::new();
    router.route(Method::Get, "/deep/{number}", |_, response| {
        let _held = LOCK.lock();
        // Others are called meanwhile, and wait as well.
        sleep(Duration::from_millis(100));
        response.text(recurse(0).to_string());
    });
    router.route(Method::Get, "/other", |_, response| {
        sleep(Duration::from_secs(60));
        response.text("late");
    });
    let engine = Engine::start(router, Limits::default());
    let Target::Tcp(address) = &engine.targets[0] else { panic!("tcp") };
    let mut deep = engine.targets[0].connect();
    deep.send(format!("GET /deep/7 HTTP/1.1\r\nHost: {address}\r\n\r\n"));
    let mut other = engine.targets[0].connect();
    other.send(format!("GET /other HTTP/1.1\r\nHost: {address}\r\n\r\n"));
    deep.answer();
}

/// `generator` makes a yield of it, and whoever wants the lock waits for ever.
#[test]
fn a_stack_that_overflows_ends_the_process_and_names_the_route() {
    if part().is_some() {
        return overflow();
    }
    let test = "ends::a_stack_that_overflows_ends_the_process_and_names_the_route";
    let output = again(test, "overflow", &[]);
    let said = said(&output);
    assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{said}");
    let last = said.lines().last().unwrap_or_default();
    let wanted = "pouco: the stack overflowed in a handler of /deep/{number} (SIGSEGV, thread ";
    assert!(last.starts_with(wanted), "{said}");
}

fn panic_on_a_small_stack() {
    logging::install(LevelFilter::Info, Format::Text).unwrap();
    pouco::http::configure_coroutines();
    // As small as that of a request in the program that users run.
    let small = may::coroutine::Builder::new().stack_size(32 * 1024 / size_of::<usize>());
    let panicked = may::go!(small, || panic!("on purpose, on a small stack")).unwrap().join();
    assert!(panicked.is_err());
    logging::flush();
    let mut router = Router::new();
    router.route(Method::Get, "/", |_, _| -> () { panic!("on purpose, in a handler") });
    router.route(Method::Get, "/fine", |_, response| response.text("fine"));
    let engine = Engine::start(router, Limits::default());
    assert_eq!(engine.targets[0].get("/").status, 500);
    assert_eq!(engine.targets[0].get("/fine").text(), "fine");
    logging::flush();
}

/// Naming the frames takes more of a stack than a coroutine has.
#[test]
fn a_panic_in_a_coroutine_may_be_told_with_all_its_frames() {
    if part().is_some() {
        return panic_on_a_small_stack();
    }
    let test = "ends::a_panic_in_a_coroutine_may_be_told_with_all_its_frames";
    for how in ["1", "full"] {
        let output = again(test, "panic", &[("RUST_BACKTRACE", how)]);
        let said = said(&output);
        assert!(output.status.success(), "{said}");
        for words in ["on purpose, on a small stack", "on purpose, in a handler"] {
            let after = said.split_once(words).unwrap_or_else(|| panic!("{words}: {said}")).1;
            let frames = after.lines().skip(1).take_while(|line| line.starts_with("    "));
            let frames: Vec<_> = frames.collect();
            assert!(frames.iter().any(|frame| frame.contains("panic_on_a_small_stack")), "{said}");
        }
    }
}

/// Without it the process would go on, and do nothing.
#[test]
fn a_vital_thread_that_panics_ends_the_process() {
    if part().is_some() {
        logging::install(LevelFilter::Info, Format::Text).unwrap();
        let vital = life::vital("pouco-vital", || panic!("on purpose"));
        vital.unwrap().join().unwrap();
        return;
    }
    let output = again("ends::a_vital_thread_that_panics_ends_the_process", "vital", &[]);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(life::EXIT_PANICKED), "{said}");
    let last = said.lines().last().unwrap_or_default();
    assert!(last.ends_with("ERROR pouco-vital panicked, and the process ends"), "{said}");
}
