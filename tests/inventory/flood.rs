//! More logins than can be hashed: the excess is refused at once, and everything else goes on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::client::{EMAIL, PASSWORD, log_in, me_with, refusal, tokens, with_user};
use crate::support::{Replica, eventually};

/// Each hash takes tens of milliseconds here, or more where the code is not optimised.
#[test]
fn the_excess_of_logins_is_a_503_at_once_and_no_other_request_waits() {
    let (_database, replica) = with_user(&[("POUCO_BCRYPT_COST", "10"), ("POUCO_HASH_WAIT_MS", "1")]);
    // The thread that has hashed for the registration may not be idle yet.
    let mut first = log_in(&replica, EMAIL, PASSWORD);
    eventually("a login before the flood", || {
        let refused = first.status != 200;
        if refused {
            first = log_in(&replica, EMAIL, PASSWORD);
        }
        !refused
    });
    let (access, _) = tokens(&first);
    let counted = |name: &str| usize::try_from(replica.metric(name)).unwrap();
    let before = counted("pouco_hashes_refused_total");
    let done = AtomicBool::new(false);
    let answers = thread::scope(|scope| {
        let bystander = scope.spawn(|| {
            let mut served = 0;
            while !done.load(Ordering::Relaxed) {
                assert_eq!(me_with(&replica, &access).status, 200);
                served += 1;
            }
            served
        });
        let one = || log_in(&replica, EMAIL, PASSWORD);
        let all: Vec<_> = (0..40).map(|_| scope.spawn(one)).collect();
        let answers: Vec<_> = all.into_iter().map(|login| login.join().unwrap()).collect();
        done.store(true, Ordering::Relaxed);
        assert!(bystander.join().unwrap() > answers.iter().filter(|answer| answer.status == 200).count());
        answers
    });
    let (entered, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert!(!entered.is_empty(), "one is always hashed");
    entered.iter().for_each(|answer| drop(tokens(answer)));
    assert!(refused.len() >= 20, "only {} refused", refused.len());
    let busy = (503, "too many passwords are waiting to be hashed".to_owned(), None);
    for answer in &refused {
        assert_eq!((refusal(answer), answer.header("retry-after")), (busy.clone(), Some("1")));
    }
    assert_eq!(counted("pouco_hashes_refused_total"), before + refused.len());
    assert_eq!(counted("pouco_logins_total{outcome=\"busy\"}"), before + refused.len());
    assert_eq!(counted("pouco_hashes_total"), entered.len() + 2, "and a registration, and a login before");
    // Nobody is locked out by it.
    eventually("a login after the flood", || log_in(&replica, EMAIL, PASSWORD).status == 200);
}

/// A burst that fits into the wait is taken whole, one after the other.
#[test]
fn a_burst_that_can_be_hashed_in_time_is() {
    let (_database, replica) = with_user(&[]);
    let statuses: Vec<u16> = thread::scope(|scope| {
        let one = || log_in(&replica, EMAIL, PASSWORD).status;
        let all: Vec<_> = (0..20).map(|_| scope.spawn(one)).collect();
        all.into_iter().map(|login| login.join().unwrap()).collect()
    });
    assert_eq!(statuses, [200; 20]);
    assert_eq!(replica.metric("pouco_hashes_refused_total"), 0);
    assert_eq!(replica.metric("pouco_hashes_waiting"), 0);
}

#[test]
fn it_stops_in_order_while_passwords_are_hashed() {
    let (_database, replica) = with_user(&[("POUCO_BCRYPT_COST", "10")]);
    thread::scope(|scope| {
        let login = scope.spawn(|| log_in(&replica, EMAIL, PASSWORD).status);
        eventually("the password is hashed, or was", || {
            replica.metric("pouco_hashes_total") + hashing(&replica) >= 2
        });
        assert!([200, 503].contains(&login.join().unwrap()));
    });
    assert!(replica.stop().success());
}

fn hashing(replica: &Replica) -> u64 {
    replica.metric("pouco_hashes_running")
}

/// The fields of `/proc/…/stat` are counted behind the name, which stands in parentheses (proc_pid_stat(5)).
fn niceness(replica: &Replica) -> Vec<(String, i32)> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", replica.pid().as_raw_nonzero())).unwrap();
    let stat = |task: std::io::Result<std::fs::DirEntry>| {
        let stat = std::fs::read_to_string(task.unwrap().path().join("stat")).ok()?;
        let (name, fields) = stat.split_once('(')?.1.rsplit_once(") ")?;
        Some((name.to_owned(), fields.split(' ').nth(16)?.parse().ok()?))
    };
    tasks.filter_map(stat).collect()
}

#[test]
fn passwords_are_hashed_behind_everything_else() {
    let (_database, replica) = with_user(&[]);
    let all = niceness(&replica);
    let of_main = all.iter().find(|(name, _)| name == "pouco").unwrap().1;
    let (behind, beside): (Vec<_>, Vec<_>) = all.iter().partition(|(name, _)| name == "pouco-aside");
    assert_eq!(behind, [&("pouco-aside".to_owned(), (of_main + 10).min(19))], "{all:?}");
    assert!(beside.len() > 3 && beside.iter().all(|(_, nice)| *nice == of_main), "{all:?}");
}
