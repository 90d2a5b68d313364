//! `POST /upload`: a file in a form, read as it comes and kept nowhere.

use super::multipart::{Form, FormError, Part, boundary};
use crate::http::json::write_string;
use crate::http::{BodyReader, IntoAnswer, Rejection, Request, Response, Status};

/// The field that has the file.
pub(super) const FIELD: &str = "file";
/// Bytes of a file's name, and of the type of its content.
pub(super) const NAME_BYTES: usize = 255;
/// What a part without a type is (RFC 7578 section 4.4).
const DEFAULT_TYPE: &str = "text/plain";

/// Why there is no such answer.
pub(super) enum Refused {
    Because(Rejection),
    /// The body could not be read to its end. The engine knows why, and answers where somebody is there.
    Body,
}

impl IntoAnswer for Refused {
    fn into_answer(self, response: &mut Response<'_>) {
        match self {
            Self::Because(rejection) => rejection.into_answer(response),
            Self::Body => {}
        }
    }
}

impl From<FormError> for Refused {
    fn from(error: FormError) -> Self {
        match error {
            FormError::Malformed(why) => Self::Because(Rejection::new(Status::BadRequest, why)),
            FormError::TooLarge(why) => Self::Because(Rejection::new(Status::ContentTooLarge, why)),
            FormError::Body(error) => {
                log::debug!("an upload was not read to its end: {error}");
                Self::Body
            }
        }
    }
}

const fn invalid(error: &'static str) -> Refused {
    Refused::Because(Rejection::of_field(Status::UnprocessableContent, error, FIELD))
}

/// 200 with the file's name, size and type; 415 if it is not a form, 400 if it is a broken one, 422 without a
/// file.
pub(super) fn answer(
    request: &Request<'_>,
    body: &mut BodyReader<'_>,
    response: &mut Response<'_>,
) -> Result<(), Refused> {
    let expected =
        Rejection::new(Status::UnsupportedMediaType, "expected multipart/form-data with a boundary");
    let boundary = request.header("content-type").and_then(boundary).ok_or(Refused::Because(expected))?;
    let mut form = Form::new(&boundary, body);
    let mut file = None;
    while let Some(part) = form.next_part()? {
        if part.name == FIELD {
            if file.is_some() {
                return Err(invalid("is there twice"));
            }
            let named = check(part)?;
            file = Some((named, form.content(|_| ())?));
        }
    }
    let ((filename, content_type), size) = file.ok_or(invalid("is missing"))?;
    response.body_with("application/json", |out| {
        out.extend_from_slice(b"{\"filename\":");
        write_string(out, &filename);
        out.extend_from_slice(b",\"size\":");
        out.extend_from_slice(itoa::Buffer::new().format(size).as_bytes());
        out.extend_from_slice(b",\"content_type\":");
        write_string(out, &content_type);
        out.push(b'}');
    });
    Ok(())
}

/// The name of the file and the type of its content.
fn check(part: Part) -> Result<(String, String), Refused> {
    // A form in which no file was chosen has an empty name.
    let filename = part.filename.filter(|name| !name.is_empty()).ok_or(invalid("has no filename"))?;
    let content_type = part.content_type.unwrap_or_else(|| DEFAULT_TYPE.to_owned());
    if filename.len() > NAME_BYTES || content_type.len() > NAME_BYTES {
        return Err(invalid("its name or type is longer than 255 bytes"));
    }
    Ok((filename, content_type))
}
