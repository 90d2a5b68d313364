//! People and search terms of the contest's kind, drawn from a seed: the same bytes on every machine.
//!
//! The rates are those of the contest's own files (stress-test/README.md). The numbers are those of Python's
//! `random.Random(seed).random()`, with which the payloads of the first archived runs were drawn: a file is
//! known by its hash in a run's `run.json`.

use rand_mt::Mt;
use serde::Serialize;
use serde_json::{Value, json};

const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const LETTERS_AND_BLANK: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ";
const LANGUAGES: [&str; 25] = [
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
/// For each of the four fields.
const INVALID_ONE_IN: usize = 99;
const TERM_MAX_LETTERS: usize = 50;
/// JSON text inside a string.
const NOT_A_DATE: [&str; 4] = ["\"12-12-2000\"", "null", "10", "\"?!?!?\""];

/// In the order in which they are sent.
#[derive(Serialize)]
struct Person {
    apelido: String,
    nome: String,
    nascimento: String,
    stack: Value,
}

/// The bodies of `rows` creations.
pub(super) fn people(seed: u32, rows: u32) -> impl Iterator<Item = String> {
    let mut source = Source(Mt::new_with_key([seed]));
    (0..rows).map(move |_| source.person())
}

/// Search terms, from a stream of their own: the number of people does not change them.
pub(super) fn terms(seed: u32, count: u32) -> impl Iterator<Item = String> {
    let mut source = Source(Mt::new_with_key([seed, 1]));
    (0..count).map(move |_| source.text_within(1, TERM_MAX_LETTERS, LETTERS_AND_BLANK))
}

/// One stream of random numbers.
struct Source(Mt);

impl Source {
    fn person(&mut self) -> String {
        let apelido = match self.one_in(INVALID_ONE_IN) {
            true => self.text(35, LETTERS),
            false => self.text_within(1, 32, LETTERS),
        };
        let nome = match self.one_in(INVALID_ONE_IN) {
            true => self.text(120, LETTERS_AND_BLANK),
            false => self.text_within(1, 100, LETTERS_AND_BLANK),
        };
        let nascimento = match self.one_in(INVALID_ONE_IN) {
            true => NOT_A_DATE[self.below(NOT_A_DATE.len())].to_owned(),
            // Month 13 and 29 February are the contest's own doing: a lenient check of dates stores them.
            false => {
                let (year, month, day) = (self.between(1940, 2020), self.between(1, 13), self.between(1, 29));
                format!("{year:04}-{month:02}-{day:02}")
            }
        };
        let stack = if self.one_in(INVALID_ONE_IN) {
            [json!(["1".repeat(40)]), json!("string"), json!(1)][self.below(3)].clone()
        } else if self.one_in(NO_STACK_ONE_IN) {
            Value::Null
        } else {
            (0..self.between(1, STACK_MAX_PICKS)).map(|_| LANGUAGES[self.below(LANGUAGES.len())]).collect()
        };
        serde_json::to_string(&Person { apelido, nome, nascimento, stack }).unwrap_or_default()
    }

    /// From 0 to `bound`, which is not among them: 53 bits of two numbers, times the bound.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // below the bound, and not below 0
    fn below(&mut self, bound: usize) -> usize {
        let (high, low) = (self.0.next_u32() >> 5, self.0.next_u32() >> 6);
        let share = (f64::from(high) * 67_108_864.0 + f64::from(low)) / 9_007_199_254_740_992.0;
        (share * bound as f64) as usize
    }

    fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn text(&mut self, letters: usize, alphabet: &[u8]) -> String {
        (0..letters).map(|_| char::from(alphabet[self.below(alphabet.len())])).collect()
    }

    fn text_within(&mut self, low: usize, high: usize, alphabet: &[u8]) -> String {
        let letters = self.between(low, high);
        self.text(letters, alphabet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::valid_person;

    #[test]
    fn a_seed_gives_these_very_bytes() {
        let first = r##"{"apelido":"NnzxHPebRwNaxLlXUbbCWtlvblwz","nome":"lypbSDIj TgrMLXwRJqFUSAF","nascimento":"1959-11-13","stack":["Lua","F#","Go","Java","Python","JavaScript","F#","Java","Assembly","C","Perl","Swift","Julia","F#","Clojure","Java","Swift","Python","JavaScript"]}"##;
        assert_eq!(people(1, 1).collect::<Vec<_>>(), [first]);
        assert_eq!(terms(1, 1).collect::<Vec<_>>(), ["BveGKLg mwQN"]);
        assert_ne!(people(9, 1).next(), people(10, 1).next());
    }

    /// 46,486 and 46,493 rows were counted with the contest's own file, of 54,63x creations.
    #[test]
    fn as_many_are_valid_as_of_the_contests_own() {
        let (mut valid, mut nicks) = (0, std::collections::HashSet::new());
        for body in people(2023, 54_635) {
            if let Some(person) = valid_person(body.as_bytes()) {
                valid += 1;
                nicks.insert(person.apelido);
            }
        }
        let (invalid, taken) = (54_635 - valid, valid - nicks.len());
        assert!((46_240..=46_740).contains(&nicks.len()), "{} nicks", nicks.len());
        assert!((1_585..=1_912).contains(&taken), "{taken} taken");
        // 1 − (98/99)⁴ of bad fields, and of the dates of the others 7.8 %.
        assert!((5_900..=6_800).contains(&invalid), "{invalid} invalid");
    }
}
