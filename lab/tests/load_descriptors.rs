//! The generator where descriptors are few. Alone in its file: the limit is the process's.
#![allow(clippy::unwrap_used)]

mod load_support;

use std::time::Duration;

use load_support::{Server, constant, people, plan, run, search};
use rustix::process::{Resource, Rlimit, setrlimit};

#[test]
fn users_wait_for_a_free_descriptor_and_the_generator_says_so() {
    // The soft limit would not do: the generator raises it to the hard one.
    let most = Some(160);
    setrlimit(Resource::Nofile, Rlimit { current: Some(30), maximum: most }).unwrap();
    let server = Server::start(|asked| {
        std::thread::sleep(Duration::from_millis(200)); // a slow server is what the test is about
        people(asked)
    });
    // 300 a second for 200 ms each would be 60 at a time; 160 descriptors leave less than 32 for them.
    let outcome = run(&plan(server.address, vec![search(constant(300.0, 0.5))]));
    assert_eq!(
        (outcome.figures.total.count, outcome.figures.total.failed),
        (150, 0),
        "{:?}",
        outcome.figures.errors
    );
    let told = outcome
        .generator
        .bottleneck
        .iter()
        .any(|reason| reason.contains("waited for a free file descriptor"));
    assert!(told, "{:?}", outcome.generator.bottleneck);
    assert!(outcome.figures.total.p99_ms.unwrap() > 400.0, "{:?}", outcome.figures.total.p99_ms);
}
