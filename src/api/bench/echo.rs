//! `POST /echo`: JSON read, checked, and written again. The body is parsed in place and its values are
//! written from where they lie; nothing is copied in between.

use simd_json::ValueType;
use simd_json::prelude::{TypedValue, ValueAsScalar, ValueIntoString};
use simd_json::tape::{Object, Value};

use crate::http::{Rejection, Request, Response, Status, json};

const fn invalid(error: &'static str, field: &'static str) -> Rejection {
    Rejection::of_field(Status::UnprocessableContent, error, field)
}

/// What is echoed of a body.
struct Echo<'t, 'b> {
    message: &'b str,
    data: Object<'t, 'b>,
}

/// 200 with `message` and `data` as they came; 400 for what is no JSON, 422 for a member that is missing or
/// of another type.
pub(super) fn answer(request: &mut Request<'_>, response: &mut Response<'_>) -> Result<(), Rejection> {
    json::read(request.body(), |body| {
        let echo = check(body)?;
        response.body_with("application/json", |out| {
            out.extend_from_slice(b"{\"message\":");
            json::write_string(out, echo.message);
            out.extend_from_slice(b",\"data\":");
            write_object(out, &echo.data);
            out.push(b'}');
        });
        Ok(())
    })?
}

fn check<'t, 'b>(body: Value<'t, 'b>) -> Result<Echo<'t, 'b>, Rejection> {
    let object = body.as_object();
    let object = object.ok_or(Rejection::new(Status::UnprocessableContent, "expected an object"))?;
    let (mut message, mut timestamp, mut data) = (None, None, None);
    for (key, value) in object.iter() {
        // A repeated key: the last one counts, as in most parsers.
        match key {
            "message" => message = Some(value),
            "timestamp" => timestamp = Some(value),
            "data" => data = Some(value),
            _ => {}
        }
    }
    let message = message.ok_or(invalid("is missing", "message"))?;
    let message = message.into_string().ok_or(invalid("expected a string", "message"))?;
    let timestamp = timestamp.ok_or(invalid("is missing", "timestamp"))?;
    if !matches!(timestamp.value_type(), ValueType::String | ValueType::I64 | ValueType::U64 | ValueType::F64)
    {
        return Err(invalid("expected a number or a string", "timestamp"));
    }
    let data = data.ok_or(invalid("is missing", "data"))?;
    let data = data.as_object().ok_or(invalid("expected an object", "data"))?;
    Ok(Echo { message, data })
}

fn write_object(out: &mut Vec<u8>, object: &Object<'_, '_>) {
    out.push(b'{');
    for (index, (key, value)) in object.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        json::write_string(out, key);
        out.push(b':');
        write_value(out, value);
    }
    out.push(b'}');
}

/// Recurses as deep as the value is nested, which the parser has bounded ([`crate::limits::JSON_DEPTH`]).
fn write_value(out: &mut Vec<u8>, value: Value<'_, '_>) {
    if let Some(text) = value.into_string() {
        json::write_string(out, text);
    } else if let Some(object) = value.as_object() {
        write_object(out, &object);
    } else if let Some(array) = value.as_array() {
        out.push(b'[');
        for (index, element) in array.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            write_value(out, element);
        }
        out.push(b']');
    } else {
        write_scalar(out, value);
    }
}

/// A number, a truth value or null. What fits into 64 bits is written as it was meant; any other number is
/// the nearest one with a fraction, in its shortest form.
fn write_scalar(out: &mut Vec<u8>, value: Value<'_, '_>) {
    if let Some(number) = value.as_i64() {
        out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    } else if let Some(number) = value.as_u64() {
        out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    } else if let Some(number) = value.as_f64() {
        json::write_float(out, number);
    } else {
        out.extend_from_slice(match value.as_bool() {
            Some(true) => b"true",
            Some(false) => b"false",
            None => b"null",
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echoed(body: &str) -> Result<String, Rejection> {
        json::read(&mut body.as_bytes().to_vec(), |body| {
            let mut out = Vec::new();
            write_object(&mut out, &check(body)?.data);
            Ok(String::from_utf8(out).unwrap())
        })?
    }

    #[test]
    fn every_kind_of_value_comes_back() {
        for data in [
            "{}",
            r#"{"items":[1,-2,0,18446744073709551615,-9223372036854775808],"nested":{"a":[[],{}],"b":null}}"#,
            r#"{"t":true,"f":false,"n":null,"half":0.5,"small":1e-7,"é":"\u0000\"\\\n\u001f","":"😀"}"#,
            r#"{"a\"b":{"\n":[{"c":1.25},"",[[[0.1]]]]}}"#,
        ] {
            let body = format!(r#"{{"message":"m","timestamp":1,"data":{data}}}"#);
            let parsed = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
            assert_eq!(echoed(&body).map(|text| parsed(&text)), Ok(parsed(data)), "{data}");
        }
    }

    #[test]
    fn a_member_that_is_missing_or_another_is_named() {
        for (body, status, field) in [
            ("{", Status::BadRequest, None),
            ("", Status::BadRequest, None),
            ("[]", Status::UnprocessableContent, None),
            ("{}", Status::UnprocessableContent, Some("message")),
            (r#"{"message":1,"timestamp":1,"data":{}}"#, Status::UnprocessableContent, Some("message")),
            (r#"{"message":"m","data":{}}"#, Status::UnprocessableContent, Some("timestamp")),
            (r#"{"message":"m","timestamp":[],"data":{}}"#, Status::UnprocessableContent, Some("timestamp")),
            (r#"{"message":"m","timestamp":"now"}"#, Status::UnprocessableContent, Some("data")),
            (r#"{"message":"m","timestamp":0.5,"data":[]}"#, Status::UnprocessableContent, Some("data")),
        ] {
            let refused = echoed(body).unwrap_err();
            assert_eq!((refused.status, refused.field.as_deref()), (status, field), "{body}");
        }
    }
}
