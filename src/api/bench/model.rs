//! A user as clients send it and as it is answered.

use serde::Deserialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::email::Email;
use crate::api::text::Text;
use crate::dates::{Fraction, write_moment};
use crate::http::json;
use crate::random;

/// Characters of a name.
pub(super) const NAME_CHARS: usize = 100;

/// A user to be.
#[derive(Deserialize)]
pub(super) struct NewUser {
    /// Chosen by us: after a lost answer the row is looked for by it.
    #[serde(skip, default = "random::uuid")]
    pub(super) request: Uuid,
    pub(super) name: Text<NAME_CHARS>,
    pub(super) email: Email,
}

/// What is to be different of a user; what is missing stays.
#[derive(Deserialize)]
pub(super) struct Change {
    pub(super) name: Option<Text<NAME_CHARS>>,
    pub(super) email: Option<Email>,
}

/// A row, with its texts where they are.
#[derive(ToSchema)]
#[schema(as = bench::User, description = "A user.")]
pub(super) struct User<'r> {
    pub(super) id: i64,
    pub(super) name: &'r str,
    pub(super) email: &'r str,
    #[schema(value_type = String, format = DateTime)]
    pub(super) created_at: OffsetDateTime,
}

impl User<'_> {
    /// Appends the user as a JSON object.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"id\":");
        out.extend_from_slice(itoa::Buffer::new().format(self.id).as_bytes());
        out.extend_from_slice(b",\"name\":");
        json::write_string(out, self.name);
        out.extend_from_slice(b",\"email\":");
        json::write_string(out, self.email);
        out.extend_from_slice(b",\"created_at\":\"");
        write_moment(out, self.created_at, Fraction::MicrosecondsIfAny);
        out.extend_from_slice(b"\"}");
    }
}
