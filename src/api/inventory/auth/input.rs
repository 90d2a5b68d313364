//! What clients send to register, log in and refresh, and the rules for it.

use std::borrow::Cow;

use serde::Deserialize;

use super::passwords::PASSWORD_BYTES;
use crate::api::email::{self, EMAIL_BYTES};
use crate::http::{Rejection, Request, Status, url};

const NAME_CHARACTERS: usize = 255;
const PASSWORD_CHARACTERS: usize = 8;

const fn invalid(error: &'static str, field: &'static str) -> Rejection {
    Rejection::of_field(Status::UnprocessableContent, error, field)
}

/// Somebody who registers.
#[derive(Deserialize)]
pub(super) struct Registration {
    pub(super) email: String,
    pub(super) password: String,
    pub(super) full_name: String,
}

impl Registration {
    /// Reads and checks it.
    ///
    /// # Errors
    /// 400 for what is no JSON; 422 with the member for a broken rule.
    pub(super) fn read(request: &mut Request<'_>) -> Result<Self, Rejection> {
        let read: Self = request.valid_json()?;
        let email = email::check(&read.email).map_err(|error| invalid(error, "email"));
        let checks = [email, check_new_password(&read.password), check_name(&read.full_name)];
        checks.into_iter().collect::<Result<(), _>>()?;
        Ok(read)
    }
}

fn check_new_password(password: &str) -> Result<(), Rejection> {
    if password.chars().count() < PASSWORD_CHARACTERS {
        return Err(invalid("is shorter than 8 characters", "password"));
    }
    check_password(password)
}

/// What no account can have as its password.
fn check_password(password: &str) -> Result<(), Rejection> {
    if password.len() > PASSWORD_BYTES {
        return Err(invalid("is longer than 72 bytes", "password"));
    }
    if password.contains('\0') {
        return Err(invalid("has a NUL", "password"));
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), Rejection> {
    let error = |text| Err(invalid(text, "full_name"));
    if name.trim().is_empty() {
        return error("is empty");
    }
    if name.chars().count() > NAME_CHARACTERS {
        return error("is longer than 255 characters");
    }
    if name.chars().any(char::is_control) {
        return error("has a control character");
    }
    Ok(())
}

/// A login.
pub(super) struct Credentials {
    /// The e-mail address, however its case is.
    pub(super) email: String,
    pub(super) password: String,
}

#[derive(Deserialize)]
struct JsonLogin {
    username: Option<String>,
    email: Option<String>,
    password: String,
}

impl Credentials {
    /// Reads and checks them, as a form or as JSON. Which of both it is says the first byte that is not a
    /// blank: clients send `Content-Type: application/json` with a form too, and no form begins with a brace,
    /// which it would write as `%7B`.
    ///
    /// # Errors
    /// 400 for broken JSON or a broken escape, 422 with the member for a broken rule.
    pub(super) fn read(request: &mut Request<'_>) -> Result<Self, Rejection> {
        let is_json = request.body().trim_ascii_start().first() == Some(&b'{');
        let read = if is_json {
            let JsonLogin { username, email, password } = request.valid_json()?;
            let email = username.or(email).ok_or(invalid("is missing", "username"))?;
            Self { email, password }
        } else {
            let form = Form::new(request.body())?;
            Self { email: form.field("username")?, password: form.field("password")? }
        };
        if read.email.is_empty() || read.email.len() > EMAIL_BYTES || read.email.contains('\0') {
            return Err(invalid("is no e-mail address", "username"));
        }
        check_password(&read.password)?;
        Ok(read)
    }
}

/// An `application/x-www-form-urlencoded` body.
struct Form<'b>(&'b str);

impl<'b> Form<'b> {
    fn new(body: &'b [u8]) -> Result<Self, Rejection> {
        let text = std::str::from_utf8(body).map_err(|_| bad("the body is neither JSON nor a form"))?;
        Ok(Self(text.trim_ascii()))
    }

    fn field(&self, name: &'static str) -> Result<String, Rejection> {
        let mut values = url::query_values(self.0, name);
        let value = values.next().ok_or(invalid("is missing", name))?;
        if values.next().is_some() {
            return Err(invalid("is there twice", name));
        }
        let decoded = url::decode_query_component(value).map(Cow::into_owned);
        decoded.ok_or(Rejection::of_field(Status::BadRequest, "is malformed", name))
    }
}

const fn bad(error: &'static str) -> Rejection {
    Rejection::new(Status::BadRequest, error)
}

/// What a client wants a new pair for.
#[derive(Deserialize)]
pub(super) struct Refresh {
    pub(super) refresh_token: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_counted_in_characters_below_and_in_bytes_above() {
        let fits = |password: &str| check_new_password(password).map_err(|rejection| rejection.error);
        assert_eq!(fits("1234567"), Err("is shorter than 8 characters".into()));
        assert_eq!(fits("ëëëëëëë"), Err("is shorter than 8 characters".into()));
        assert_eq!(fits("ëëëëëëëë"), Ok(()));
        assert_eq!(fits(&"x".repeat(72)), Ok(()));
        assert_eq!(fits(&"x".repeat(73)), Err("is longer than 72 bytes".into()));
        assert_eq!(fits(&"ë".repeat(37)), Err("is longer than 72 bytes".into()));
        assert_eq!(fits("12345678\0"), Err("has a NUL".into()));
    }

    #[test]
    fn a_form_has_each_field_once() {
        let field = |form: &str, name| Form::new(form.as_bytes()).and_then(|form| form.field(name));
        let form = "grant_type=password&username=a%40b.c&password=+x%2B";
        assert_eq!(field(form, "username"), Ok("a@b.c".into()));
        assert_eq!(field(form, "password"), Ok(" x+".into()));
        for (form, status) in [
            ("", Status::UnprocessableContent),
            ("user=a", Status::UnprocessableContent),
            ("username=a&username=b", Status::UnprocessableContent),
            ("username=%zz", Status::BadRequest),
            ("username=%ff", Status::BadRequest),
        ] {
            let refused = field(form, "username").map_err(|rejection| rejection.status);
            assert_eq!(refused, Err(status), "{form}");
        }
        assert!(Form::new(b"username=\xff").is_err());
    }
}
