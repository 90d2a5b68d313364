//! Whether an answer of the contest `users` says what the data say.
//!
//! - **A user** is compared field by field with the row of the asked id, every time: `created_at` as a
//!   moment, written in UTC with `Z`, the others as [`same`] compares them.
//! - **A list** must have the asked `limit` and `offset`, the number of all rows as `total`, and as many
//!   items as were asked for. Its first and its last item are compared as a user is; in one list of
//!   [`WHOLE_EVERY`] every item is, since fifty of them would cost the generator more than all else.
//! - **No such user** is the error `not_found`.
//!
//! Members beside these are allowed.

use serde::Deserialize;
use serde_json::value::RawValue;
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

use crate::lines::Lines;
use crate::oracle::sent::same;

/// One list in so many is compared item by item.
pub(super) const WHOLE_EVERY: u64 = 10;

#[derive(Deserialize)]
struct User<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    email: Option<&'a RawValue>,
    #[serde(borrow)]
    full_name: Option<&'a RawValue>,
    #[serde(borrow)]
    age: Option<&'a RawValue>,
    #[serde(borrow)]
    country_code: Option<&'a RawValue>,
    #[serde(borrow)]
    is_active: Option<&'a RawValue>,
    #[serde(borrow)]
    created_at: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    items: Vec<&'a RawValue>,
    limit: u64,
    offset: u64,
    total: u64,
}

#[derive(Deserialize)]
struct Problem<'a> {
    error: Option<std::borrow::Cow<'a, str>>,
}

/// `body` must be the user of the line `expected`.
pub(super) fn user(body: &[u8], expected: &[u8]) -> Result<(), &'static str> {
    let got: User<'_> = serde_json::from_slice(body).map_err(|_| "the body is no user in JSON")?;
    let expected: User<'_> = serde_json::from_slice(expected).map_err(|_| "the data hold no user in JSON")?;
    let pairs = [
        (got.id, expected.id, "the body's id is not the one that was asked for"),
        (got.email, expected.email, "the body's email is not that of the data"),
        (got.full_name, expected.full_name, "the body's full_name is not that of the data"),
        (got.age, expected.age, "the body's age is not that of the data"),
        (got.country_code, expected.country_code, "the body's country_code is not that of the data"),
        (got.is_active, expected.is_active, "the body's is_active is not that of the data"),
    ];
    for (got, expected, message) in pairs {
        if !same(got, expected) {
            return Err(message);
        }
    }
    if same_moment(got.created_at, expected.created_at) {
        Ok(())
    } else {
        Err("the body's created_at is not that of the data, in UTC with Z")
    }
}

fn same_moment(got: Option<&RawValue>, expected: Option<&RawValue>) -> bool {
    let (Some(got), Some(expected)) = (got.map(RawValue::get), expected.map(RawValue::get)) else {
        return false;
    };
    let moment = |text: &str| {
        let text = text.strip_prefix('"')?.strip_suffix('"')?;
        let moment = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        (text.ends_with('Z') && moment.offset() == UtcOffset::UTC).then_some(moment)
    };
    got == expected || moment(got).is_some_and(|at| Some(at) == moment(expected))
}

/// `body` must be the page of `limit` rows from the row `first` on; of all of them is asked every item if
/// `whole`.
pub(super) fn page(
    body: &[u8],
    rows: &Lines,
    first: u64,
    limit: usize,
    whole: bool,
) -> Result<(), &'static str> {
    let page: Page<'_> = serde_json::from_slice(body).map_err(|_| "the body is no list in JSON")?;
    let total = rows.count() as u64;
    if page.total != total {
        return Err("the list's total is not the number of rows");
    }
    if (page.limit, page.offset) != (limit as u64, first) {
        return Err("the list's limit and offset are not those that were asked for");
    }
    let items = (limit as u64).min(total.saturating_sub(first));
    if page.items.len() as u64 != items {
        return Err("the list has not as many items as were asked for");
    }
    for (item, place) in page.items.iter().zip(0..) {
        if whole || place == 0 || place + 1 == items {
            user(item.get().as_bytes(), rows.get(first + place))
                .map_err(|_| "an item of the list is not the row at its place")?;
        }
    }
    Ok(())
}

/// `body` must say that there is no such user.
pub(super) fn not_found(body: &[u8]) -> Result<(), &'static str> {
    let problem: Result<Problem<'_>, _> = serde_json::from_slice(body);
    match problem {
        Ok(Problem { error: Some(error) }) if error == "not_found" => Ok(()),
        _ => Err("the body's error is not not_found"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(number: u32) -> String {
        format!(
            r#"{{"id":"id{number}","email":"u{number}@example.com","full_name":"Zoë","age":{number},"country_code":"BR","is_active":true,"created_at":"2024-01-01T01:00:07Z"}}"#
        )
    }

    fn rows() -> Lines {
        let all: Vec<String> = (0..60).map(row).collect();
        all.iter().map(String::as_bytes).collect()
    }

    #[test]
    fn the_same_user_however_it_is_written() {
        for (from, to) in [
            ("", ""),
            ("Zoë", "Zo\\u00eb"),
            ("\"age\":7", "\"x\":0, \"age\" : 7 "),
            ("07Z", "07.000Z"),
            ("07Z", "07.0Z"),
        ] {
            assert_eq!(user(row(7).replace(from, to).as_bytes(), row(7).as_bytes()), Ok(()), "{to}");
        }
    }

    #[test]
    fn another_user_is_found_out_field_by_field() {
        for (from, to, word) in [
            ("id7", "id8", "id"),
            ("u7@", "u8@", "email"),
            ("Zoë", "Zoe", "full_name"),
            (":7,", ":8,", "age"),
            (":7,", ":\"7\",", "age"),
            ("BR", "br", "country_code"),
            ("true", "1", "is_active"),
            ("01:00:07Z", "01:00:08Z", "created_at"),
            ("01:00:07Z", "01:00:07+00:00", "created_at"),
            ("01:00:07Z", "01:00:07", "created_at"),
            ("\"created_at\"", "\"created\"", "created_at"),
            ("}", "", "JSON"),
        ] {
            let error = user(row(7).replace(from, to).as_bytes(), row(7).as_bytes()).unwrap_err();
            assert!(error.contains(word), "{from} → {to}: {error}");
        }
    }

    #[test]
    fn a_page_is_a_piece_of_the_data() {
        let body = |rows: &[u32], rest: &str| {
            let items: Vec<String> = rows.iter().map(|number| row(*number)).collect();
            format!(r#"{{"items":[{}],{rest}}}"#, items.join(","))
        };
        let rest = r#""limit":3,"offset":5,"total":60"#;
        let verdict = |body: &str, whole| page(body.as_bytes(), &rows(), 5, 3, whole);
        let good = body(&[5, 6, 7], rest);
        assert_eq!((verdict(&good, true), verdict(&good, false)), (Ok(()), Ok(())));
        let end = body(&[58, 59], r#""limit":3,"offset":58,"total":60"#);
        assert_eq!(page(end.as_bytes(), &rows(), 58, 3, true), Ok(()), "the last page is shorter");
        for (bad, word) in [
            (body(&[5, 6], rest), "as many items"),
            (body(&[5, 6, 7, 8], rest), "as many items"),
            (body(&[6, 5, 7], rest), "at its place"),
            (good.replace(":60", ":61"), "total"),
            (good.replace("\"limit\":3", "\"limit\":4"), "limit and offset"),
            (good.replace("\"offset\":5", "\"offset\":0"), "limit and offset"),
            ("[]".to_owned(), "no list"),
        ] {
            let error = verdict(&bad, false).unwrap_err();
            assert!(error.contains(word), "{bad}: {error}");
        }
        let middle = body(&[5, 9, 7], rest);
        assert_eq!(verdict(&middle, false), Ok(()), "only the ends are looked at");
        assert!(verdict(&middle, true).is_err());
    }

    #[test]
    fn nobody_is_an_error_with_a_name() {
        assert_eq!(not_found(br#"{"error":"not_found"}"#), Ok(()));
        assert_eq!(not_found(br#"{ "error" : "not_found", "x": 1 }"#), Ok(()));
        for bad in [&b""[..], b"{}", br#"{"error":"Not Found"}"#, br#"{"detail":"not_found"}"#] {
            assert!(not_found(bad).is_err());
        }
    }
}
