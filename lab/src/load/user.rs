//! A user on its way through its chain, and what an answer means to it.

use super::Plan;
use super::answer::Whole;
use super::errand::Errand;
use super::figures::Seen;
use super::request::{Ready, path_of};
use crate::lines::Lines;
use crate::oracle::scenarios::{Answers, Asked, Given};
use crate::oracle::{Answer, Creation, id_of_location};

/// A user on its way.
pub(super) struct User {
    pub(super) scenario: usize,
    /// Of the request under way, or the one after the pause.
    pub(super) step: usize,
    /// In the order of arrival, over all scenarios.
    pub(super) number: u64,
    /// It was meant to start after the warm-up.
    pub(super) measured: bool,
    /// Of the request under way; 0 in a pause.
    pub(super) request: u64,
    /// When the request under way was meant to start.
    pub(super) intended: u64,
    pub(super) connection: Option<usize>,
    /// The number of the payload that its last creation sent.
    pub(super) payload: Option<u64>,
    /// The request under way is that creation, and may have reached the server.
    pub(super) creating: bool,
    /// The path that the last 201 named.
    pub(super) location: Option<Box<str>>,
    /// The row of the data that the request under way asks for, or at which its page begins.
    pub(super) row: u64,
    /// What it is about in a shop.
    pub(super) errand: Option<Errand>,
    /// What must be known of the task under way when it is answered.
    pub(super) asked: Asked,
    /// Until when a client begins again; 0 where users come and go.
    pub(super) until: u64,
}

impl User {
    /// One who comes now, before its first request.
    pub(super) fn new(scenario: usize, number: u64, intended: u64, measured: bool) -> Self {
        Self {
            scenario,
            step: 0,
            number,
            measured,
            request: 0,
            intended,
            connection: None,
            payload: None,
            creating: false,
            location: None,
            row: 0,
            errand: None,
            asked: Asked::default(),
            until: 0,
        }
    }

    /// How long the pause before its next request is. It depends on the seed and on the user, not on when
    /// answers come, so each has a source of its own.
    pub(super) fn pause(&self, seed: u64, low: u64, high: u64) -> u64 {
        self.random(seed).u64(low..=high)
    }

    /// What its next request draws from the data, and its pause, come from here.
    pub(super) fn random(&self, seed: u64) -> fastrand::Rng {
        let own = (self.number * 31 + self.step as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        fastrand::Rng::with_seed(seed ^ own)
    }

    /// What an oracle looks at; `payloads` are what was sent, or the data.
    fn answer<'a>(&'a self, whole: &Whole<'a>, payloads: &'a Lines) -> Answer<'a> {
        Answer {
            status: whole.status,
            body: whole.body,
            cache: whole.cache,
            payload: self.payload.map_or(&b""[..], |number| payloads.get(number)),
            location: self.location.as_deref().unwrap_or_default(),
            rows: payloads,
            row: self.row,
            user: self.number,
        }
    }

    /// What became of its creation.
    pub(super) fn creation(&self, status: u16, id: Option<u128>) -> Creation {
        Creation { payload: self.payload.unwrap_or_default(), status, id }
    }
}

/// What an answer means.
pub(super) struct Verdict {
    pub(super) status: u16,
    /// As it stands in the answer.
    pub(super) location: Option<Box<str>>,
    /// The connection takes no further request.
    pub(super) close: bool,
    pub(super) failure: Option<String>,
    /// Of an answer that is itself what the contest judges.
    pub(super) seen: Option<Seen>,
    /// The id of an order that was answered as it was asked for.
    pub(super) order: Option<i64>,
    /// The id of what was created, as the `Location` says, or else the body.
    pub(super) created: Option<u128>,
}

impl Verdict {
    /// Judges a whole answer to `request` of `user`, which took so many `millis`; `answers` are those before.
    pub(super) fn of(
        whole: &Whole<'_>,
        request: &Ready,
        user: &User,
        plan: &Plan,
        answers: &mut Answers,
        millis: f64,
    ) -> Self {
        let status = whole.status;
        let location =
            whole.location.map(|bytes| String::from_utf8_lossy(bytes).into_owned().into_boxed_str());
        let (mut seen, mut order) = (None, None);
        let mut created = location.as_deref().and_then(id_of_location);
        let errand = user.errand.zip(plan.shop.as_deref()).filter(|_| (200..300).contains(&status));
        let failure = if !request.accept.contains(&status) {
            // There another status is another answer than was asked for.
            seen = request.task.map(|_| Seen::Wrong);
            Some(format!("status {status}, allowed are {:?}", request.accept))
        } else if request.must_locate && status == 201 && location.as_deref().and_then(path_of).is_none() {
            Some("201 without a Location that is a path".into())
        } else if let Some((errand, shop)) = errand {
            let checked = errand.check(whole.body, shop);
            order = checked.ok().flatten();
            checked.err().map(str::to_owned)
        } else if let Some(task) = request.task {
            let given = Given { status, retry_after: whole.retry_after, millis, body: whole.body };
            let judged = answers.judge(task, user.asked, &given);
            created = judged.ok().flatten().map(u128::from);
            seen = Some(if judged.is_ok() { Seen::Right } else { Seen::Wrong });
            judged.err().map(str::to_owned)
        } else if let Some(check) = &request.check {
            let checked = check(&user.answer(whole, &plan.payloads));
            if plan.oracle.is_some_and(|oracle| oracle.judges_answers()) {
                seen = Some(checked.map_or(Seen::Wrong, |right| right.map_or(Seen::Right, Seen::Page)));
            }
            checked.err().map(str::to_owned)
        } else {
            None
        };
        Self { status, location, close: whole.close, failure, seen, order, created }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_depend_on_seed_and_user_alone_and_fill_their_bounds() {
        let all = |seed| -> Vec<u64> {
            (0..1000).map(|number| User::new(0, number, number * 7, true).pause(seed, 1000, 30_000)).collect()
        };
        assert_eq!(all(1), all(1));
        assert_ne!(all(1), all(2));
        let pauses = all(1);
        assert!(pauses.iter().all(|pause| (1000..=30_000).contains(pause)));
        let mean = pauses.iter().sum::<u64>() / 1000;
        assert!((14_500..16_500).contains(&mean), "{mean}");
        let low = pauses.iter().filter(|&&pause| pause < 4000).count();
        assert!((60..150).contains(&low), "{low}");
    }
}
