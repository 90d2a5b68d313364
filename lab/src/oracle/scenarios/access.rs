//! What a token gives access to, and who it belongs to. That others are refused is a rule, and asked before
//! the load.

use serde::Deserialize;

use super::answers::{Asked, Row};
use super::flow::Flow;
use super::{must, read};

/// So many users log in before a load.
pub const LOGINS: u64 = 10;

/// What is looked at for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Nothing.
    Public,
    /// The token.
    Token,
    /// The token, and the user in the database.
    User,
}

impl Access {
    /// By what follows `/auth/`.
    pub(super) fn new(route: &str) -> Option<Self> {
        Some(match route {
            "public" => Self::Public,
            "protected/jwt" => Self::Token,
            "protected/jwt-user" | "protected/session" => Self::User,
            _ => return None,
        })
    }

    /// Whose token is sent with the request of this number.
    pub(super) fn user(self, number: u64) -> u64 {
        1 + number % LOGINS
    }

    pub(super) fn judge(self, asked: Asked, body: &[u8], flow: &Flow) -> Result<(), &'static str> {
        let answer: Answer<'_> = read(body, "the body is no message in JSON")?;
        if self == Self::Public {
            return must(answer.message == "public", "the message is not `public`");
        }
        must(answer.message == "Access granted", "the message is not `Access granted`")?;
        must(answer.user_id == Some(asked.place), "the user_id is not the token's")?;
        match (self, answer.user) {
            (Self::User, Some(user)) if user.id == asked.place && flow.changes(user.id) => Ok(()),
            (Self::User, Some(user)) if user.id == asked.place => user.check(true, 0),
            (Self::User, _) => Err("the user is not the token's"),
            _ => Ok(()),
        }
    }
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    message: &'a str,
    user_id: Option<u64>,
    #[serde(borrow)]
    user: Option<Row<'a>>,
}

/// The token in the answer to a login.
///
/// # Errors
/// There is none.
pub fn token(body: &[u8]) -> Result<String, &'static str> {
    #[derive(Deserialize)]
    struct Login {
        access_token: String,
        token_type: String,
    }
    let login: Login = read(body, "the body is no token in JSON")?;
    must(login.token_type.eq_ignore_ascii_case("bearer"), "the token_type is not `bearer`")?;
    let plain = !login.access_token.is_empty() && login.access_token.bytes().all(|it| it.is_ascii_graphic());
    must(plain, "the access_token is no word")?;
    Ok(login.access_token)
}
