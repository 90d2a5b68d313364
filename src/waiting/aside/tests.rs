use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use super::*;

const LONG: Duration = Duration::from_secs(30);

fn later(wait: Duration) -> Instant {
    Instant::now() + wait
}

/// Holds one of the threads until the sender is dropped.
fn hold(aside: &Aside) -> Sender<()> {
    let (release, released) = mpsc::channel::<()>();
    let (begun, beginning) = mpsc::channel();
    aside
        .leave(move || {
            begun.send(()).unwrap();
            let _ = released.recv();
        })
        .unwrap();
    beginning.recv().unwrap();
    release
}

/// What a coroutine of its own gets.
fn from_coroutine<T: Send + 'static>(
    aside: &Arc<Aside>,
    deadline: Instant,
    work: impl FnOnce() -> T + Send + 'static,
) -> Receiver<Result<T, Undone>> {
    let (aside, (said, heard)) = (aside.clone(), mpsc::channel());
    may::go!(move || said.send(aside.run(deadline, work)).unwrap());
    heard
}

fn until(what: impl Fn() -> bool) {
    let give_up = later(LONG);
    while !what() {
        assert!(Instant::now() < give_up);
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_coroutine_and_a_thread_get_the_result_of_another_thread() {
    let aside = Arc::new(Aside::with_bounds(2, 4).unwrap());
    let name = || thread::current().name().map(str::to_owned);
    let expected = Ok(Some("pouco-aside".to_owned()));
    assert_eq!(aside.run(later(LONG), name), expected);
    assert_eq!(from_coroutine(&aside, later(LONG), name).recv().unwrap(), expected);
    until(|| aside.counts() == Counts::default());
    assert_eq!(aside.seconds().count, 2);
}

#[test]
fn threads_are_started_when_there_is_work_for_them_and_no_more_than_are_allowed() {
    let aside = Aside::with_bounds(2, 4).unwrap();
    let threads = || aside.shared.state().threads.len();
    assert_eq!(threads(), 0);
    for _ in 0..3 {
        aside.run(later(LONG), || ()).unwrap();
        until(|| aside.shared.state().idle == 1);
    }
    assert_eq!(threads(), 1, "one after the other needs one");
    let held = [hold(&aside), hold(&aside)];
    assert_eq!((threads(), aside.counts().running), (2, 2));
    aside.leave(|| ()).unwrap();
    assert_eq!((threads(), aside.counts().waiting), (2, 1));
    drop(held);
    until(|| aside.counts() == Counts::default());
}

#[test]
fn a_full_queue_refuses_at_once() {
    let aside = Arc::new(Aside::with_bounds(1, 2).unwrap());
    let held = hold(&aside);
    let waiting = [(); 2].map(|()| from_coroutine(&aside, later(LONG), || ()));
    until(|| aside.counts().waiting == 2);
    let begun = Instant::now();
    assert_eq!(aside.run(later(LONG), || ()), Err(Undone::Full));
    assert_eq!(aside.leave(|| ()), Err(Undone::Full));
    assert_eq!(from_coroutine(&aside, later(LONG), || ()).recv().unwrap(), Err(Undone::Full));
    assert!(begun.elapsed() < LONG / 3);
    assert_eq!(aside.counts().refused, 3);
    drop(held);
    waiting.iter().for_each(|one| assert_eq!(one.recv().unwrap(), Ok(())));
}

#[test]
fn a_deadline_ends_the_wait_and_what_was_not_begun_is_not() {
    let aside = Arc::new(Aside::with_bounds(1, 1).unwrap());
    let held = hold(&aside);
    let begun = Arc::new(AtomicBool::new(false));
    let begin = begun.clone();
    let late =
        from_coroutine(&aside, later(Duration::from_millis(20)), move || begin.store(true, Ordering::SeqCst));
    assert_eq!(late.recv().unwrap(), Err(Undone::Late));
    assert_eq!(aside.counts().waiting, 1);
    // It takes nobody's place.
    let next = from_coroutine(&aside, later(LONG), || 7);
    until(|| aside.counts().expired == 1);
    drop(held);
    assert_eq!(next.recv().unwrap(), Ok(7));
    assert!(!begun.load(Ordering::SeqCst));
    // What was begun ends, and its result is dropped.
    let (release, released) = mpsc::channel::<()>();
    let late = from_coroutine(&aside, later(Duration::from_millis(20)), move || released.recv().is_err());
    assert_eq!(late.recv().unwrap(), Err(Undone::Late));
    drop(release);
    // A deadline that has passed already begins nothing.
    assert_eq!(aside.run(Instant::now(), || ()), Err(Undone::Late));
    until(|| aside.counts().expired == 2);
    assert_eq!(aside.run(later(LONG), || 8), Ok(8));
}

#[test]
fn a_panic_is_the_answer_and_ends_no_thread() {
    let aside = Aside::with_bounds(1, 4).unwrap();
    for _ in 0..3 {
        assert_eq!(aside.run(later(LONG), || -> u8 { panic!("on purpose") }), Err(Undone::Panicked));
    }
    aside.leave(|| panic!("on purpose")).unwrap();
    assert_eq!(aside.run(later(LONG), || 1), Ok(1));
    until(|| aside.counts() == Counts { panicked: 4, ..Counts::default() });
    assert_eq!(aside.shared.state().threads.len(), 1);
}

#[test]
fn a_close_finishes_what_was_begun_and_tells_the_others() {
    let aside = Arc::new(Aside::with_bounds(1, 4).unwrap());
    let held = hold(&aside);
    let waiting = from_coroutine(&aside, later(LONG), || ());
    until(|| aside.counts().waiting == 1);
    let (closing, ended) = (aside.clone(), Arc::new(AtomicBool::new(false)));
    let end = ended.clone();
    let closer = thread::spawn(move || {
        closing.close();
        end.store(true, Ordering::SeqCst);
    });
    assert_eq!(waiting.recv().unwrap(), Err(Undone::Closed));
    assert!(!ended.load(Ordering::SeqCst), "it waits for what was begun");
    assert_eq!(aside.run(later(LONG), || ()), Err(Undone::Closed));
    drop(held);
    closer.join().unwrap();
    let state = aside.shared.state();
    assert!(state.threads.is_empty() && state.counts.running == 0);
}
