//! Which of the contest's requests a request is.

use uuid::Uuid;

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Create,
    /// None: the id is none, so nobody has it.
    Fetch(Option<Uuid>),
    /// None: there is no term.
    Search(Option<String>),
    Count,
    /// The path exists, for another method.
    OtherMethod,
    Unknown,
}

impl Route {
    pub(crate) fn of(method: &str, target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        match (path, method) {
            ("/pessoas", "POST") => Self::Create,
            ("/pessoas", "GET") => Self::Search(term(query)),
            ("/contagem-pessoas", "GET") => Self::Count,
            ("/pessoas" | "/contagem-pessoas", _) => Self::OtherMethod,
            _ => match (path.strip_prefix("/pessoas/"), method) {
                (Some(id), "GET") => Self::Fetch(id.parse().ok()),
                (Some(_), _) => Self::OtherMethod,
                (None, _) => Self::Unknown,
            },
        }
    }
}

fn term(query: &str) -> Option<String> {
    form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "t")
        .map(|(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_apart() {
        let some = "00000000-0000-4000-8000-000000000001";
        assert_eq!(Route::of("POST", "/pessoas"), Route::Create);
        assert_eq!(Route::of("GET", &format!("/pessoas/{some}")), Route::Fetch(some.parse().ok()));
        assert_eq!(Route::of("GET", "/pessoas/1"), Route::Fetch(None));
        assert_eq!(Route::of("GET", "/pessoas?x=1&t=a%20b%25+c"), Route::Search(Some("a b% c".into())));
        assert_eq!(Route::of("GET", "/pessoas?t="), Route::Search(Some(String::new())));
        assert_eq!(Route::of("GET", "/pessoas?tt=1"), Route::Search(None));
        assert_eq!(Route::of("GET", "/contagem-pessoas"), Route::Count);
        assert_eq!(Route::of("DELETE", "/pessoas"), Route::OtherMethod);
        assert_eq!(Route::of("GET", "/"), Route::Unknown);
    }
}
