//! Settings: what an environment variable is called, what it may be, and how its text becomes a checked
//! value.
//!
//! A leaf. Each module lists its settings next to the code that uses them; `--help` and docs/settings.md are
//! made of these lists.

use std::collections::HashMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use crate::{files, limits};

/// One environment variable.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The variable.
    pub name: &'static str,
    /// What it does.
    pub meaning: &'static str,
    kind: Kind,
    is_secret: bool,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Number { default: u64, low: u64, high: u64, unit: &'static str },
    Text { default: &'static str, allowed: &'static str },
}

impl Setting {
    /// A whole number in `range`; `unit` is empty for what is only counted.
    #[must_use]
    pub const fn number(
        name: &'static str,
        default: u64,
        range: RangeInclusive<u64>,
        unit: &'static str,
        meaning: &'static str,
    ) -> Self {
        let kind = Kind::Number { default, low: *range.start(), high: *range.end(), unit };
        Self { name, meaning, kind, is_secret: false }
    }

    /// A text; `default` and `allowed` are sentences where no single word will do.
    #[must_use]
    pub const fn text(
        name: &'static str,
        default: &'static str,
        allowed: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self { name, meaning, kind: Kind::Text { default, allowed }, is_secret: false }
    }

    /// A text that is shown to nobody, and counts as it is: quotes and blanks may be part of a password.
    #[must_use]
    pub const fn secret(
        name: &'static str,
        default: &'static str,
        allowed: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self { name, meaning, kind: Kind::Text { default, allowed }, is_secret: true }
    }

    /// What holds if it is not set.
    #[must_use]
    pub fn default(&self) -> String {
        match self.kind {
            Kind::Number { default, .. } => default.to_string(),
            Kind::Text { default, .. } => default.to_owned(),
        }
    }

    /// What is allowed, with the unit.
    #[must_use]
    pub fn allowed(&self) -> String {
        match self.kind {
            Kind::Number { low, high, unit: "", .. } => format!("{low} to {high}"),
            Kind::Number { low, high, unit, .. } => format!("{low} to {high} {unit}"),
            Kind::Text { allowed, .. } => allowed.to_owned(),
        }
    }

    /// The error of a value that is not allowed, with what would be.
    #[must_use]
    pub fn refuse(&self, value: &str, allowed: impl fmt::Display) -> ConfigError {
        let value = if self.is_secret && !value.is_empty() { "…" } else { value };
        ConfigError { name: self.name, value: value.to_owned(), allowed: allowed.to_string() }
    }
}

/// A setting with a value that is not allowed.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigError {
    name: &'static str,
    value: String,
    allowed: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=`{}` is not allowed: {}", self.name, self.value, self.allowed)
    }
}

impl std::error::Error for ConfigError {}

/// Raw values of settings.
#[derive(Clone, Debug, Default)]
pub struct Values(HashMap<String, String>);

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Values {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl Values {
    /// The environment of the process. Text that is not Unicode is replaced, and then refused by its reader.
    #[must_use]
    pub fn from_environment() -> Self {
        let known = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
        };
        std::env::vars_os().filter_map(known).collect()
    }

    /// The text that was given; an empty variable counts as not set, as compose files write it.
    #[must_use]
    pub fn given(&self, setting: &Setting) -> Option<&str> {
        self.0.get(setting.name).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// Refuses what a file of settings may leave around a value: the quotes of a shell, blanks, a line end of
    /// Windows. A path with any of it would be another one.
    ///
    /// # Errors
    /// The first setting with such a value.
    pub fn check_ends(&self, settings: &[Setting]) -> Result<(), ConfigError> {
        for setting in settings.iter().filter(|setting| !setting.is_secret) {
            let Some(text) = self.given(setting) else { continue };
            let is_quoted = |quote| text.len() > 1 && text.starts_with(quote) && text.ends_with(quote);
            if text.trim() != text {
                return Err(setting.refuse(text, "it has a blank or a line end before or behind it"));
            }
            if is_quoted('"') || is_quoted('\'') {
                return Err(setting.refuse(text, "it is in quotes, which nobody takes away here"));
            }
        }
        Ok(())
    }

    /// The text that was given, or the default.
    #[must_use]
    pub fn text(&self, setting: &Setting) -> String {
        self.given(setting).map_or_else(|| setting.default(), str::to_owned)
    }

    /// What is secret, from its own variable or from the file that the other one names. A line end behind it
    /// is not counted.
    ///
    /// # Errors
    /// Both are set, or the file cannot be read; nothing of what is in it is told.
    pub fn secret(&self, setting: &Setting, file: &Setting) -> Result<Option<Vec<u8>>, ConfigError> {
        let given = self.given(setting);
        let Some(path) = self.given(file) else { return Ok(given.map(Vec::from)) };
        if given.is_some() {
            return Err(file.refuse(path, format!("{} is set as well", setting.name)));
        }
        let read = files::read(Path::new(path), limits::SECRET_FILE_BYTES);
        let (mut text, _) = read.map_err(|error| file.refuse(path, error))?;
        while text.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
            text.pop();
        }
        match text.is_empty() {
            true => Err(file.refuse(path, "there is nothing in it")),
            false => Ok(Some(text)),
        }
    }

    /// The text as `parse` takes it.
    ///
    /// # Errors
    /// If that is `None`.
    pub fn parsed<V>(&self, setting: &Setting, parse: impl Fn(&str) -> Option<V>) -> Result<V, ConfigError> {
        let text = self.text(setting);
        parse(&text).ok_or_else(|| setting.refuse(&text, setting.allowed()))
    }

    /// `on` or `off`.
    ///
    /// # Errors
    /// If it is another word.
    pub fn switch(&self, setting: &Setting) -> Result<bool, ConfigError> {
        self.parsed(setting, |text| match text {
            "on" => Some(true),
            "off" => Some(false),
            _ => None,
        })
    }

    /// A number in the setting's range.
    ///
    /// # Errors
    /// If it is none, or outside.
    pub fn number(&self, setting: &Setting) -> Result<u64, ConfigError> {
        self.parsed(setting, |text| {
            let number = text.parse().ok()?;
            match setting.kind {
                Kind::Number { low, high, .. } => (low..=high).contains(&number).then_some(number),
                Kind::Text { .. } => Some(number),
            }
        })
    }

    /// As [`Values::number`], for what is counted in memory.
    ///
    /// # Errors
    /// As there.
    pub fn size(&self, setting: &Setting) -> Result<usize, ConfigError> {
        let number = self.number(setting)?;
        usize::try_from(number).map_err(|_| setting.refuse(&number.to_string(), setting.allowed()))
    }

    /// As [`Values::number`], in milliseconds.
    ///
    /// # Errors
    /// As there.
    pub fn milliseconds(&self, setting: &Setting) -> Result<Duration, ConfigError> {
        self.number(setting).map(Duration::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::{Setting, Values};

    const SIZE: Setting = Setting::number("SIZE", 7, 1..=10, "bytes", "a size");
    const SWITCH: Setting = Setting::text("SWITCH", "off", "on or off", "a switch");

    fn values(value: &str) -> Values {
        [("SIZE", value), ("SWITCH", value)].into_iter().collect()
    }

    #[test]
    fn what_is_not_set_has_its_default() {
        for values in [Values::default(), values("")] {
            assert_eq!((values.size(&SIZE), values.switch(&SWITCH)), (Ok(7), Ok(false)));
        }
    }

    #[test]
    fn what_stands_around_a_value_is_refused() {
        const PATH: Setting = Setting::text("A_PATH", "none", "a path", "a path");
        const SECRET: Setting = Setting::secret("A_SECRET", "none", "a text", "a secret");
        let check = |value: &str| {
            let values: Values = [("A_PATH", value), ("A_SECRET", "\" S3cret\r")].into_iter().collect();
            values.check_ends(&[SECRET, PATH]).map_err(|error| error.to_string())
        };
        for value in ["/a b", "\"", "a\"", "\"a\"b", "it's", "", "/a\rb"] {
            assert_eq!(check(value), Ok(()), "{value}");
        }
        for (value, why) in [("/a\r", "line end"), (" /a", "blank"), ("\"/a\"", "quotes"), ("'/a'", "quotes")]
        {
            let error = check(value).unwrap_err();
            assert!(error.starts_with(&format!("A_PATH=`{value}` is not allowed: ")), "{error}");
            assert!(error.contains(why), "{error}");
        }
        assert_eq!(SECRET.refuse("S3cret", "longer").to_string(), "A_SECRET=`…` is not allowed: longer");
    }

    #[test]
    fn a_secret_may_be_in_a_file() {
        const SECRET: Setting = Setting::text("SECRET", "none", "a text", "a secret");
        const FILE: Setting = Setting::text("SECRET_FILE", "none", "a file", "as SECRET");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let path = path.to_str().unwrap();
        let secret = |pairs: &[(&str, &str)]| {
            let values: Values = pairs.iter().copied().collect();
            values.secret(&SECRET, &FILE).map_err(|error| error.to_string())
        };
        assert_eq!(secret(&[]), Ok(None));
        assert_eq!(secret(&[("SECRET", "a\n")]), Ok(Some(b"a\n".into())));
        for (text, expected) in [("a", "a"), ("a\n", "a"), ("a b\r\n\n", "a b")] {
            std::fs::write(path, text).unwrap();
            assert_eq!(secret(&[("SECRET_FILE", path)]), Ok(Some(expected.into())));
        }
        let both = secret(&[("SECRET_FILE", path), ("SECRET", "S3cret")]).unwrap_err();
        assert_eq!(both, format!("SECRET_FILE=`{path}` is not allowed: SECRET is set as well"));
        for text in ["", "\n", &"S3cret".repeat(20_000)] {
            std::fs::write(path, text).unwrap();
            let error = secret(&[("SECRET_FILE", path)]).unwrap_err();
            assert!(error.starts_with("SECRET_FILE=") && !error.contains("S3cret"), "{error}");
        }
        assert!(secret(&[("SECRET_FILE", "/nowhere")]).is_err());
    }

    #[test]
    fn a_bad_value_names_variable_value_and_range() {
        for value in ["0", "11", "1.5", "-1", "ten"] {
            let error = values(value).number(&SIZE).unwrap_err().to_string();
            assert_eq!(error, format!("SIZE=`{value}` is not allowed: 1 to 10 bytes"));
        }
        let error = values("yes").switch(&SWITCH).unwrap_err().to_string();
        assert_eq!(error, "SWITCH=`yes` is not allowed: on or off");
        for (value, number) in [("1", 1), ("10", 10)] {
            assert_eq!(values(value).number(&SIZE), Ok(number));
        }
    }
}
