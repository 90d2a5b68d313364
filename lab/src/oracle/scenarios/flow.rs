//! What one client does after the other thing: it logs in, shows its token, changes its own user and reads
//! that again. Each client has a user of its own, so what it reads must be what it has written.

use std::collections::HashMap;

use serde::Deserialize;

use super::answers::Asked;
use super::{must, read, seeded};

/// Of a client's user, by id: the number of the last change that was acknowledged, and of the last that was
/// sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Flow {
    changed: HashMap<u64, (Option<u64>, u64)>,
    /// Of clients who have logged in.
    tokens: HashMap<u64, String>,
}

/// The name that the change of this number gives.
pub(super) fn name(number: u64) -> String {
    format!("Mia {number}")
}

impl Flow {
    /// The user of a client.
    pub(super) fn user(client: u64) -> u64 {
        client + 1
    }

    pub(super) fn token(&self, client: u64) -> Option<&str> {
        self.tokens.get(&client).map(String::as_str)
    }

    pub(super) fn logged_in(&mut self, asked: Asked, body: &[u8]) -> Result<(), &'static str> {
        self.tokens.insert(asked.client, super::token(body)?);
        Ok(())
    }

    /// A change is sent.
    pub(super) fn change(&mut self, user: u64, number: u64) {
        self.changed.entry(user).or_default().1 = number;
    }

    pub(super) fn judge_change(&mut self, asked: Asked, body: &[u8]) -> Result<(), &'static str> {
        self.changed.entry(asked.place).or_default().0 = Some(asked.number);
        let user: User = read(body, "the body is no user in JSON")?;
        must(user.id == asked.place && user.name == name(asked.number), "the user is not as it was sent")
    }

    pub(super) fn judge_look(&self, asked: Asked, body: &[u8]) -> Result<(), &'static str> {
        let user: User = read(body, "the body is no user in JSON")?;
        let written = self.changed.get(&asked.place).and_then(|(acknowledged, _)| *acknowledged);
        let right = user.id == asked.place && written.is_some_and(|number| user.name == name(number));
        must(right, "its own write is not read")
    }

    /// Somebody has changed this user.
    pub(super) fn changes(&self, user: u64) -> bool {
        self.changed.contains_key(&user)
    }

    /// Whether a user may have this name at the end; nothing where nobody has changed it.
    pub(super) fn may_be(&self, user: u64, stored: &str) -> Option<bool> {
        let (acknowledged, sent) = self.changed.get(&user)?;
        let number: Option<u64> = stored.strip_prefix("Mia ").and_then(|text| text.parse().ok());
        Some(match (number, acknowledged) {
            (Some(number), Some(least)) => (*least..=*sent).contains(&number),
            (Some(number), None) => number <= *sent,
            (None, Some(_)) => false,
            (None, None) => stored == seeded(user).name,
        })
    }
}

#[derive(Deserialize)]
struct User {
    id: u64,
    name: String,
}
