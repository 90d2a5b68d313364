//! A table's code that panics: a bug of ours, which must cost its own row and nothing else.

use pouco::store::Unavailable;

use crate::rig::*;
use crate::support::eventually;

#[test]
fn a_panic_before_sending_costs_only_its_row() {
    let database = database();
    let rig: Rig = Rig::of(&database, one_batch_of(8));
    let keys = ["a", "b", PANICS_BEFORE_IT_IS_SENT, "c", "d", "e", "f", "g"];
    for (key, outcome) in keys.iter().zip(answers(rig.send_all(keys))) {
        let expected =
            if *key == PANICS_BEFORE_IT_IS_SENT { Err(Unavailable::Refused) } else { Ok(Outcome::Stored) };
        assert_eq!(outcome, expected, "{key}");
    }
    assert!(counted(&rig.queue.metrics().panics) >= 1);
    assert_eq!(answers(rig.send_all(["1", "2", "3", "4", "5", "6", "7", "8"])), [Ok(Outcome::Stored); 8]);
}

/// What is committed when the panic comes is stored, and is said to be.
#[test]
fn a_panic_after_the_commit_takes_nothing_back() {
    let database = database();
    let rig: Rig = Rig::of(&database, one_batch_of(4));
    let keys = ["a", PANICS_AFTER_THE_COMMIT, "b", "c"];
    assert_eq!(answers(rig.send_all(keys)), [Ok(Outcome::Stored); 4]);
    assert_eq!(stored_keys(&database), ["a", "b", "c", PANICS_AFTER_THE_COMMIT]);
    assert!(counted(&rig.queue.metrics().panics) >= 1);
}

/// A panic outside the statement ends the batch unsent, and the writer starts again.
#[test]
fn a_writer_that_panics_starts_again() {
    let database = database();
    let rig: Rig = Rig::of(&database, one_batch_of(2));
    let outcomes = answers(rig.send_all([PANICS_IN_ORDER, PANICS_IN_ORDER]));
    assert_eq!(outcomes, [Err(Unavailable::ShuttingDown); 2]);
    eventually("the panic is counted", || counted(&rig.queue.metrics().panics) == 1);
    assert!(stored_keys(&database).is_empty());
    assert_eq!(answers(rig.send_all(["a", "b"])), [Ok(Outcome::Stored); 2]);
}
