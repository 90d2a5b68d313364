//! `/healthz` of a real replica, one of whose threads stands still.

use std::fs;

use crate::support::replica::{command, run};
use crate::support::{Replica, Target, eventually};

/// A thread of another process that is kept from running, until this is dropped.
struct Frozen(libc::pid_t);

impl Frozen {
    #[allow(unsafe_code)]
    fn new(thread: libc::pid_t) -> Self {
        let none = std::ptr::null_mut::<libc::c_void>();
        // SAFETY: these trace a child of this process, by the thread that made this, and touch no memory of
        // either.
        unsafe {
            assert_eq!(libc::ptrace(libc::PTRACE_SEIZE, thread, none, none), 0);
            assert_eq!(libc::ptrace(libc::PTRACE_INTERRUPT, thread, none, none), 0);
            assert_eq!(libc::waitpid(thread, std::ptr::null_mut(), libc::__WALL), thread);
        }
        Self(thread)
    }
}

impl Drop for Frozen {
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        let none = std::ptr::null_mut::<libc::c_void>();
        // SAFETY: as above; it fails only where the process has ended.
        unsafe { libc::ptrace(libc::PTRACE_DETACH, self.0, none, none) };
    }
}

fn thread_of(replica: &Replica, name: &str) -> libc::pid_t {
    let tasks = fs::read_dir(format!("/proc/{}/task", replica.pid().as_raw_nonzero())).unwrap();
    let mut threads = tasks.map(|task| task.unwrap().path());
    let found = threads.find(|task| fs::read_to_string(task.join("comm")).unwrap().trim() == name);
    found.unwrap().file_name().unwrap().to_str().unwrap().parse().unwrap()
}

#[test]
fn a_thread_that_stands_still_is_told_by_name() {
    let replica = Replica::spawn(command().env("POUCO_APIS", "edge"));
    let Target::Tcp(admin) = replica.admin.clone() else { panic!("tcp") };
    let healthy = || run(command().env("POUCO_ADMIN_LISTEN", &admin).arg("health")).0 == Some(0);
    assert_eq!(replica.admin.get("/healthz").text(), r#"{"status":"ok"}"#);
    assert!(healthy());
    let frozen = Frozen::new(thread_of(&replica, "pouco-janitor"));
    eventually("its silence is told", || replica.admin.get("/healthz").status == 503);
    let told = replica.admin.get("/healthz").json();
    assert_eq!(
        (told["status"].as_str(), told["parts"][0]["part"].as_str()),
        (Some("failing"), Some("pouco-janitor"))
    );
    assert!(told["parts"][0]["silent_ms"].as_u64() > told["parts"][0]["limit_ms"].as_u64(), "{told}");
    assert_eq!(replica.get("/healthz").status, 503, "on the public address too");
    assert!(!healthy());
    drop(frozen);
    eventually("it gets on", || replica.admin.get("/healthz").status == 200);
    assert!(healthy());
    assert_eq!(replica.metric("pouco_thread_panics_total{thread=\"pouco-janitor\"} "), 0);
}
