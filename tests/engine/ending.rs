//! The end of a server: who was connected before it is answered.

use std::fs;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use crate::support::{Connection, Engine, eventually};
use pouco::http::{Limits, Method, Router};

const GRACE: Duration = Duration::from_secs(30);

/// Whether a thread of this process waits for something.
fn sleeps(thread: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/self/task/{thread}/stat")).unwrap();
    stat.rsplit(") ").next().unwrap().starts_with('S')
}

/// The worker is held, so the kernel has connected them and nobody has accepted them. The last ones send when
/// the drain has begun.
#[test]
fn who_is_in_the_kernel_s_queue_is_answered() {
    for target in [0, 1] {
        let (held, holds) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let released = Arc::new(Mutex::new(released));
        let mut router = Router::new();
        router.route(Method::Get, "/hold", move |_, response| {
            held.send(()).unwrap();
            // Blocks the thread of all coroutines, which nothing but this test may do.
            released.lock().unwrap().recv().unwrap();
            response.text("held");
        });
        router.route(Method::Get, "/", |_, response| response.text("fine"));
        let engine = Engine::start(router, Limits::default());
        let target = &engine.targets[target];
        let mut holder = target.connect();
        holder.send("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
        holds.recv().unwrap();
        let mut waiting: Vec<Connection> = (0..100).map(|_| target.connect()).collect();
        let (early, late) = waiting.split_at_mut(60);
        early.iter_mut().for_each(|one| one.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
        thread::scope(|scope| {
            let (told, tells) = mpsc::channel();
            let server = &engine.server;
            let ending = scope.spawn(move || {
                told.send(rustix::thread::gettid().as_raw_nonzero().get()).unwrap();
                server.shutdown(GRACE)
            });
            let ending_id = tells.recv().unwrap();
            eventually("it waits for those who accept", || sleeps(ending_id));
            release.send(()).unwrap();
            assert_eq!(holder.answer().text(), "held");
            for one in early {
                let answer = one.answer();
                assert_eq!((answer.text(), answer.header("connection")), ("fine", Some("close")));
                assert!(one.is_closed());
            }
            late.iter_mut().for_each(|one| one.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
            for one in late {
                let answer = one.answer();
                assert_eq!((answer.text(), answer.header("connection")), ("fine", Some("close")));
            }
            assert!(ending.join().unwrap());
        });
        assert!(target.try_connect().is_err());
    }
}

/// Who never sends anything holds up the end for a moment only.
#[test]
fn who_connects_and_says_nothing_does_not_hold_up_the_end() {
    let engine = Engine::start(Router::new(), Limits::default());
    let mut silent = engine.targets[0].connect();
    let opened = || engine.server.metrics().accepted.load(std::sync::atomic::Ordering::Relaxed);
    eventually("it is accepted", || opened() == 1);
    let begun = std::time::Instant::now();
    assert!(engine.server.shutdown(GRACE));
    assert!(begun.elapsed() < GRACE / 3, "{:?}", begun.elapsed());
    assert!(silent.is_closed());
}
