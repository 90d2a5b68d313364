//! People and search terms of the contest's kind, from a seed: the distributions of lab/src/drivers/drawn.rs.

use fastrand::Rng;
use uuid::Uuid;

const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const LETTERS_AND_BLANK: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ";
pub(crate) const LANGUAGES: [&str; 25] = [
    "Assembly",
    "C",
    "C#",
    "C++",
    "Clojure",
    "COBOL",
    "Dart",
    "Elixir",
    "Erlang",
    "F#",
    "Go",
    "Haskell",
    "Java",
    "JavaScript",
    "Julia",
    "Kotlin",
    "Lua",
    "Perl",
    "PHP",
    "Python",
    "R",
    "Ruby",
    "Rust",
    "Scala",
    "Swift",
];
const STACK_MAX_PICKS: usize = 26;
const NO_STACK_ONE_IN: usize = 14;

/// The texts of one person; no stack is a stack of nothing here.
pub(crate) struct Person {
    pub(crate) id: Uuid,
    pub(crate) texts: Vec<String>,
}

impl Person {
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(String::as_str)
    }
}

pub(crate) struct Source(Rng);

impl Source {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Rng::with_seed(seed))
    }

    fn text(&mut self, length: usize, alphabet: &[u8]) -> String {
        (0..length).map(|_| char::from(alphabet[self.0.usize(..alphabet.len())])).collect()
    }

    /// A person whose id is the `number`th of a time-ordered sequence, as replicas make them.
    pub(crate) fn person(&mut self, number: u32) -> Person {
        let nick = self.0.usize(1..=32);
        let name = self.0.usize(1..=100);
        let mut texts = vec![self.text(nick, LETTERS), self.text(name, LETTERS_AND_BLANK)];
        if self.0.usize(..NO_STACK_ONE_IN) > 0 {
            let picks = self.0.usize(1..=STACK_MAX_PICKS);
            texts.extend((0..picks).map(|_| LANGUAGES[self.0.usize(..LANGUAGES.len())].to_owned()));
        }
        let id =
            uuid::Builder::from_unix_timestamp_millis(1_700_000_000_000 + u64::from(number), &self.bits());
        Person { id: id.into_uuid(), texts }
    }

    fn bits(&mut self) -> [u8; 10] {
        let mut bits = [0; 10];
        self.0.fill(&mut bits);
        bits
    }

    pub(crate) fn term(&mut self) -> String {
        let length = self.0.usize(1..=50);
        self.text(length, LETTERS_AND_BLANK)
    }

    pub(crate) fn term_of(&mut self, length: usize) -> String {
        self.text(length, LETTERS_AND_BLANK)
    }

    pub(crate) fn pick<'t>(&mut self, texts: &'t [String]) -> &'t str {
        &texts[self.0.usize(..texts.len())]
    }
}
