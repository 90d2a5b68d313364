//! A user and a page of users as JSON.

use std::io::Write;

use time::OffsetDateTime;
use uuid::Uuid;

use crate::http::json;

/// A row, with its texts where the driver has put them.
pub(super) struct User<'r> {
    pub(super) id: Uuid,
    pub(super) email: &'r str,
    pub(super) full_name: &'r str,
    pub(super) age: i32,
    pub(super) country_code: &'r str,
    pub(super) is_active: bool,
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
        let _ = write!(out, ",\"age\":{},\"country_code\":", self.age);
        json::write_string(out, self.country_code);
        let _ = write!(out, ",\"is_active\":{},\"created_at\":\"", self.is_active);
        write_moment(out, self.created_at);
        out.extend_from_slice(b"\"}");
    }
}

/// RFC 3339 section 5.6 in UTC; with the microseconds that Postgres keeps, if there are any.
fn write_moment(out: &mut Vec<u8>, moment: OffsetDateTime) {
    let moment = moment.to_utc();
    let (date, time) = (moment.date(), moment.time());
    let _ = write!(
        out,
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        date.year(),
        u8::from(date.month()),
        date.day(),
        time.hour(),
        time.minute(),
        time.second()
    );
    if time.microsecond() > 0 {
        let _ = write!(out, ".{:06}", time.microsecond());
    }
    out.push(b'Z');
}
