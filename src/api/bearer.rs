//! Bearer tokens as clients send them (RFC 6750).

/// What stands behind `Bearer`, which is compared without case (RFC 9110 section 11.1).
pub(super) fn token(credentials: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = credentials.split_at_checked("Bearer".len())?;
    let token = token.strip_prefix(b" ")?;
    scheme.eq_ignore_ascii_case(b"Bearer").then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::token;

    #[test]
    fn rfc_6750_2_1_a_token_stands_behind_its_scheme() {
        let cases = [
            ("Bearer abc", Some("abc")),
            ("bearer  abc ", Some("abc")),
            ("BEARER ", Some("")),
            ("Bearer", None),
            ("Bearerabc", None),
            ("Basic abc", None),
            ("abc", None),
            ("", None),
        ];
        for (credentials, expected) in cases {
            assert_eq!(token(credentials.as_bytes()), expected.map(str::as_bytes), "{credentials}");
        }
    }
}
