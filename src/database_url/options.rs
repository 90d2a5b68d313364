//! The options of `DATABASE_URL` that are ours and not the client library's, in both of its forms: the query
//! of a URL, and pairs of key and value. They are taken out of the text before the library reads it.

use std::ops::Range;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use postgres::Config;
use postgres::config::{ChannelBinding, SslMode};

use super::{Authorities, Mode, Target, Tls};

/// What `sslrootcert` says for the authorities of the system.
const SYSTEM: &str = "system";

/// Values as they are given.
#[derive(Debug, Default)]
pub(super) struct Own {
    mode: Option<String>,
    negotiation: Option<String>,
    authorities: Option<String>,
    certificate: Option<String>,
    key: Option<String>,
    passfile: Option<String>,
}

impl Own {
    /// What is left of `text`, and what was taken out of it.
    ///
    /// # Errors
    /// An option that is given twice: which of them counts is not for us to guess.
    pub(super) fn take(text: String) -> Result<(String, Self), String> {
        let (mut own, mut left) = (Self::default(), text);
        let found = match query(&left) {
            Some(query) => pairs_of_query(&left, query),
            None => pairs(&left),
        };
        for pair in found.into_iter().rev() {
            let Some(place) = own.place(&pair.key) else { continue };
            if place.replace(pair.value).is_some() {
                return Err(format!("`{}` is given twice", pair.key));
            }
            left.replace_range(pair.range, "");
        }
        Ok((left, own))
    }

    fn place(&mut self, key: &str) -> Option<&mut Option<String>> {
        Some(match key {
            "sslmode" => &mut self.mode,
            "sslnegotiation" => &mut self.negotiation,
            "sslrootcert" => &mut self.authorities,
            "sslcert" => &mut self.certificate,
            "sslkey" => &mut self.key,
            "passfile" => &mut self.passfile,
            _ => return None,
        })
    }

    /// All of it together.
    ///
    /// # Errors
    /// Values that are not allowed, or not with each other.
    pub(super) fn with(self, mut config: Config) -> Result<Target, String> {
        let authorities = match self.authorities {
            None => Authorities::None,
            Some(text) if text == SYSTEM => Authorities::System,
            Some(path) => Authorities::File(path.into()),
        };
        let mode = mode(self.mode.as_deref(), &authorities)?;
        let direct = match self.negotiation.as_deref() {
            None | Some("postgres") => false,
            Some("direct") if mode >= Mode::Require => true,
            Some("direct") => return Err(too_weak("sslnegotiation=direct", mode, "require")),
            Some(_) => return Err("sslnegotiation is postgres or direct".into()),
        };
        if config.get_channel_binding() == ChannelBinding::Require && mode == Mode::Disable {
            return Err(too_weak("channel_binding=require", mode, "require"));
        }
        let identity = match (self.certificate, self.key) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some((certificate.into(), key.into())),
            (Some(_), None) => return Err("sslcert needs sslkey, the key of that certificate".into()),
            (None, Some(_)) => return Err("sslkey needs sslcert, the certificate of that key".into()),
        };
        // For who asks the library; sessions ask `mode`.
        config.ssl_mode(match mode {
            Mode::Disable => SslMode::Disable,
            Mode::Allow | Mode::Prefer => SslMode::Prefer,
            Mode::Require | Mode::VerifyCa | Mode::VerifyFull => SslMode::Require,
        });
        let tls = Tls { mode, direct, authorities, identity };
        Ok(Target { config, tls, passfile: self.passfile.map(PathBuf::from) })
    }
}

/// As the manual has it: a file of authorities makes `require` the same as `verify-ca`, and those of the
/// system are so many that the name has to be looked at.
fn mode(text: Option<&str>, authorities: &Authorities) -> Result<Mode, String> {
    const MODES: [Mode; 6] =
        [Mode::Disable, Mode::Allow, Mode::Prefer, Mode::Require, Mode::VerifyCa, Mode::VerifyFull];
    let given = match text {
        None => None,
        Some(text) => match MODES.into_iter().find(|mode| mode.name() == text) {
            Some(mode) => Some(mode),
            None => return Err(format!("sslmode is one of {}", MODES.map(Mode::name).join(", "))),
        },
    };
    match (given, authorities) {
        (None, Authorities::System) => Ok(Mode::VerifyFull),
        (Some(mode), Authorities::System) if mode < Mode::VerifyFull => {
            Err(too_weak("sslrootcert=system", mode, "verify-full"))
        }
        (Some(Mode::Require), Authorities::File(_)) => Ok(Mode::VerifyCa),
        (Some(mode @ (Mode::VerifyCa | Mode::VerifyFull)), Authorities::None) => Err(format!(
            "sslmode={} needs sslrootcert, a file with the certificates of authorities, or `system`",
            mode.name()
        )),
        (given, _) => Ok(given.unwrap_or_default()),
    }
}

fn too_weak(wish: &str, mode: Mode, needed: &str) -> String {
    format!("{wish} needs sslmode={needed}, and it is {}", mode.name())
}

struct Pair {
    key: String,
    value: String,
    /// Where it is in the text, with what separates it from the next.
    range: Range<usize>,
}

/// The query of a URL. What is before the first `@` may be a password.
fn query(text: &str) -> Option<Range<usize>> {
    let (scheme, rest) = text.split_once("://").filter(|(scheme, _)| !scheme.contains('='))?;
    let begin = scheme.len() + 3 + rest.find('@').map_or(0, |at| at + 1);
    let start = text[begin..].find('?').map_or(text.len(), |mark| begin + mark + 1);
    Some(start..text.len())
}

/// What cannot be read is left to the library.
fn pairs_of_query(text: &str, query: Range<usize>) -> Vec<Pair> {
    let mut start = query.start;
    let mut pairs = Vec::new();
    for part in text[query].split_inclusive('&') {
        let range = start..start + part.len();
        start = range.end;
        let Some((key, value)) = part.trim_end_matches('&').split_once('=') else { continue };
        let decoded = |text| percent_decode_str(text).decode_utf8().map(std::borrow::Cow::into_owned);
        if let (Ok(key), Ok(value)) = (decoded(key), decoded(value)) {
            pairs.push(Pair { key, value, range });
        }
    }
    pairs
}

/// Pairs as the library reads them: a value may be in single quotes, and a backslash stands before what is
/// meant as it is. What is read up to a mistake is given; the library says what is wrong.
fn pairs(text: &str) -> Vec<Pair> {
    let mut pairs = Vec::new();
    let mut rest = text.char_indices().peekable();
    loop {
        while rest.next_if(|(_, one)| one.is_whitespace()).is_some() {}
        let Some(&(start, _)) = rest.peek() else { return pairs };
        let mut key = String::new();
        while let Some((_, one)) = rest.next_if(|(_, one)| !one.is_whitespace() && *one != '=') {
            key.push(one);
        }
        while rest.next_if(|(_, one)| one.is_whitespace()).is_some() {}
        if rest.next().is_none_or(|(_, one)| one != '=') {
            return pairs;
        }
        while rest.next_if(|(_, one)| one.is_whitespace()).is_some() {}
        let quoted = rest.next_if(|(_, one)| *one == '\'').is_some();
        let mut value = String::new();
        let ends = |one: char| if quoted { one == '\'' } else { one.is_whitespace() };
        while let Some((_, one)) = rest.next_if(|(_, one)| !ends(*one)) {
            match one {
                '\\' => value.extend(rest.next().map(|(_, meant)| meant)),
                one => value.push(one),
            }
        }
        if quoted && rest.next().is_none() {
            return pairs;
        }
        let end = rest.peek().map_or(text.len(), |(end, _)| *end);
        pairs.push(Pair { key, value, range: start..end });
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn tls(options: &str) -> Result<Tls, String> {
        let target = parse(&format!("postgres://app:secret@h:1/db?{options}"))?;
        let pairs = options.replace('&', " ");
        let same = parse(&format!("host=h port=1 {pairs} user=app password='s? c@&ret' dbname=db"))?;
        assert_eq!(target.tls, same.tls, "{options}");
        assert_eq!(same.config.get_password(), Some(&b"s? c@&ret"[..]));
        assert_eq!((target.config.get_dbname(), target.config.get_user()), (Some("db"), Some("app")));
        Ok(target.tls)
    }

    #[test]
    fn every_mode_is_read() {
        for (options, mode) in [
            ("application_name=a", Mode::Prefer),
            ("sslmode=disable", Mode::Disable),
            ("sslmode=allow&application_name=a", Mode::Allow),
            ("application_name=a&sslmode=prefer&connect_timeout=3", Mode::Prefer),
            ("connect_timeout=3&sslmode=require", Mode::Require),
            ("sslmode=require&sslrootcert=/a", Mode::VerifyCa),
            ("sslmode=verify-ca&sslrootcert=/a", Mode::VerifyCa),
            ("sslrootcert=/a&sslmode=verify-full", Mode::VerifyFull),
            ("sslrootcert=system", Mode::VerifyFull),
        ] {
            assert_eq!(tls(options).unwrap().mode, mode, "{options}");
        }
    }

    #[test]
    fn files_are_read_as_they_are_written() {
        let encoded = parse("postgres://a@h/d?sslmode=verify-ca&sslrootcert=/a%20b%2Fc&sslcert=/d&sslkey=/e");
        let quoted = "host=h user=a sslmode=verify-ca sslrootcert = '/a b/c' sslcert=/d sslkey=\\/e";
        for target in [encoded.unwrap(), parse(quoted).unwrap()] {
            assert_eq!(target.tls.authorities, Authorities::File("/a b/c".into()));
            assert_eq!(target.tls.identity, Some(("/d".into(), "/e".into())));
            assert_eq!(target.passfile, None);
        }
        let with = parse("postgres://a@h/d?passfile=/p&sslnegotiation=direct&sslmode=require").unwrap();
        assert_eq!((with.passfile, with.tls.direct), (Some("/p".into()), true));
    }

    #[test]
    fn what_does_not_go_together_is_told() {
        for (options, expected) in [
            ("sslmode=verify-full", "sslrootcert"),
            ("sslmode=on", "sslmode is one of"),
            ("sslmode=REQUIRE", "sslmode is one of"),
            ("sslmode=require&sslrootcert=system", "sslrootcert=system needs sslmode=verify-full"),
            ("sslnegotiation=direct", "needs sslmode=require, and it is prefer"),
            ("sslnegotiation=later", "postgres or direct"),
            ("sslmode=disable&channel_binding=require", "channel_binding=require needs"),
            ("sslcert=/a", "sslkey"),
            ("sslkey=/a", "sslcert"),
            ("sslmode=require&sslmode=disable", "given twice"),
            ("sslcrl=/a", "`sslcrl`"),
        ] {
            let why = tls(options).expect_err(options);
            assert!(why.contains(expected) && !why.contains("cret@") && !why.contains('\n'), "{why}");
        }
    }

    /// A password is no place to look for options in.
    #[test]
    fn a_password_that_looks_like_options_stays_a_password() {
        let target = parse("postgres://app:?sslmode=require&x=@h:1/db").unwrap();
        assert_eq!(target.config.get_password(), Some(&b"?sslmode=require&x="[..]));
        assert_eq!(target.tls.mode, Mode::Prefer);
        let target = parse("host=h user=a password=' sslmode=require ' sslmode=disable").unwrap();
        assert_eq!(target.config.get_password(), Some(&b" sslmode=require "[..]));
        assert_eq!(target.tls.mode, Mode::Disable);
    }
}
