//! A load in several forms: what is the same in all of them stands in the load, and what differs in each.
//!
//! ```toml
//! [loads.09-db-pagination]
//! seed = 2024
//! optional = true
//! rows = { users = 100_000 }
//! data = ["seeds/09.sql"]
//!
//! [[loads.09-db-pagination.variant]]
//! name = "cursor"
//! values = { page = "cursor?cursor={asked}" }
//!
//! [[loads.09-db-pagination.scenario.request]]
//! name = "page"
//! method = "GET"
//! path = "/users/{page}&size=20"
//! accept = [200]
//! ```

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Result, anyhow, ensure};
use serde::Deserialize;

use super::{Contest, Load};

/// A form of a load.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// Shown in reports; what `{variant}` stands for in paths.
    pub name: String,
    /// What other placeholders in paths stand for.
    #[serde(default)]
    pub values: BTreeMap<String, String>,
    /// SQL that is run after the load's own.
    #[serde(default)]
    pub data: Vec<PathBuf>,
    /// Where many ask at once for somebody whom no cache has; one statement must be enough for all.
    pub cold: Option<Cold>,
    /// It is known to lose what it acknowledges: what it loses is shown, and it has no place.
    #[serde(default)]
    pub unranked: bool,
}

/// Somebody who can be forgotten.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cold {
    /// What a DELETE makes caches forget.
    pub forget: String,
    /// What is asked for then.
    pub ask: String,
}

/// What is asked once before a load.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sent {
    /// `GET`, `POST`, ….
    pub method: String,
    /// As a request's of a load, without what an oracle asks for.
    pub path: String,
}

impl Contest {
    /// The contest with its load in the form of this name; as it is, where none is named.
    ///
    /// # Errors
    /// It has no such form.
    pub fn of_variant(mut self, name: Option<&str>) -> Result<Self> {
        let Some(name) = name else { return Ok(self) };
        let names = || self.load.variants.iter().map(|it| it.name.as_str()).collect::<Vec<_>>().join(", ");
        let variant = self.load.variants.iter().find(|variant| variant.name == name).cloned();
        let variant = variant.ok_or_else(|| anyhow!("no variant `{name}`; there are: {}", names()))?;
        self.load.become_variant(variant);
        Ok(self)
    }

    /// The file of the rules that are asked before its load.
    #[must_use]
    pub fn rules(&self) -> PathBuf {
        self.folder.join(self.load.conformance.as_ref().unwrap_or(&self.conformance))
    }
}

impl Load {
    /// A closed model, in whole or in part: clients instead of rates.
    #[must_use]
    pub fn has_clients(&self) -> bool {
        self.scenarios.iter().any(|scenario| scenario.clients.is_some())
    }

    fn become_variant(&mut self, variant: Variant) {
        let requests = self.scenarios.iter_mut().flat_map(|scenario| &mut scenario.requests);
        let paths = requests.map(|request| &mut request.path);
        let before = self.before.iter_mut().map(|sent| &mut sent.path);
        for path in paths.chain(before).chain([&mut self.login]) {
            *path = variant.filled(path);
        }
        self.data.extend(variant.data.iter().cloned());
        self.variant = Some(variant);
    }

    /// Users that are there before it.
    #[must_use]
    pub fn users(&self) -> u64 {
        self.rows.get("users").copied().unwrap_or(crate::oracle::scenarios::ROWS)
    }

    pub(super) fn check_variants(&self) -> Result<()> {
        for (place, variant) in self.variants.iter().enumerate() {
            let name = &variant.name;
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            ensure!(
                !name.is_empty() && name.bytes().all(plain),
                "variant `{name}`: letters, digits and hyphens are allowed"
            );
            let earlier = &self.variants[..place];
            ensure!(earlier.iter().all(|it| it.name != *name), "two variants have the name `{name}`");
            let same = |it: &Variant| it.values.keys().eq(variant.values.keys());
            ensure!(earlier.iter().all(same), "variant `{name}`: other placeholders than the first one's");
        }
        Ok(())
    }
}

impl Variant {
    fn filled(&self, path: &str) -> String {
        let path = path.replace("{variant}", &self.name);
        self.values.iter().fold(path, |path, (name, text)| path.replace(&format!("{{{name}}}"), text))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn pages() -> Contest {
        let contest = Contest::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), "scenarios").unwrap();
        contest.with_load(Some("09-db-pagination")).unwrap()
    }

    #[test]
    fn a_variant_is_the_load_with_its_own_paths() {
        let path = |contest: &Contest| contest.load.scenarios[0].requests[0].path.clone();
        let cursor = pages().of_variant(Some("cursor")).unwrap();
        assert_eq!(path(&cursor), "/users/cursor?cursor={asked}&size=20");
        assert_eq!(cursor.load.variant.unwrap().name, "cursor");
        assert!(pages().of_variant(None).unwrap().load.variant.is_none());
        let error = pages().of_variant(Some("page")).unwrap_err().to_string();
        assert_eq!(error, "no variant `page`; there are: offset, offset-no-count, cursor");
    }

    #[test]
    fn variants_have_names_of_their_own_and_the_same_placeholders() {
        let said = |change: fn(&mut Vec<Variant>)| {
            let mut load = pages().load;
            change(&mut load.variants);
            load.check_variants().err().map(|error| error.to_string()).unwrap_or_default()
        };
        assert_eq!(said(|_| ()), "");
        assert!(said(|all| all[1].name = "offset".into()).contains("two variants"));
        assert!(said(|all| all[1].name = "a b".into()).contains("letters, digits and hyphens"));
        assert!(said(|all| all[1].values.clear()).contains("other placeholders"));
    }
}
