//! A user and a page of users as JSON.

use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::dates::{Fraction, write_moment};
use crate::http::json;

/// A row, with its texts where the driver has put them.
#[derive(ToSchema)]
#[schema(as = users::User, description = "A user.")]
pub(super) struct User<'r> {
    pub(super) id: Uuid,
    pub(super) email: &'r str,
    pub(super) full_name: &'r str,
    pub(super) age: i32,
    pub(super) country_code: &'r str,
    pub(super) is_active: bool,
    #[schema(value_type = String, format = DateTime)]
    pub(super) created_at: OffsetDateTime,
}

impl User<'_> {
    /// Appends the user as a JSON object.
    pub(super) fn render(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"id\":\"");
        out.extend_from_slice(self.id.hyphenated().encode_lower(&mut Uuid::encode_buffer()).as_bytes());
        out.extend_from_slice(b"\",\"email\":");
        json::write_string(out, self.email);
        out.extend_from_slice(b",\"full_name\":");
        json::write_string(out, self.full_name);
        out.extend_from_slice(b",\"age\":");
        out.extend_from_slice(itoa::Buffer::new().format(self.age).as_bytes());
        out.extend_from_slice(b",\"country_code\":");
        json::write_string(out, self.country_code);
        out.extend_from_slice(if self.is_active { b",\"is_active\":true" } else { b",\"is_active\":false" });
        out.extend_from_slice(b",\"created_at\":\"");
        write_moment(out, self.created_at, Fraction::MicrosecondsIfAny);
        out.extend_from_slice(b"\"}");
    }
}
