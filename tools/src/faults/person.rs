//! What a creation sends. The content follows from the attempt's number, so a stored row names the very
//! request that it came from, and every field of it can be compared.

use serde_json::{Value, json};
use time::{Date, Month};
use uuid::Uuid;

/// The fields of a person, as sent or as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub apelido: String,
    pub nome: String,
    pub nascimento: String,
    pub stack: Option<Vec<String>>,
}

/// A row of Postgres's table.
#[derive(Clone, Debug)]
pub struct Stored {
    pub id: Uuid,
    pub person: Person,
}

const NAME: &str = "Pessoa né ";

impl Person {
    /// What attempt `number` sends for `nick`.
    pub fn of_attempt(number: u64, nick: &str) -> Self {
        let stack = match number % 4 {
            0 => None,
            1 => Some(Vec::new()),
            2 => Some(vec!["Rust".into(), format!("C{number}")]),
            _ => Some(vec!["a\"b\\c, {d}".into(), "NULL".into(), "日本".into()]),
        };
        let (year, month, day) = (1940 + number % 80, 1 + number % 12, 1 + number % 28);
        Self {
            apelido: nick.to_owned(),
            nome: format!("{NAME}{number}"),
            nascimento: format!("{year:04}-{month:02}-{day:02}"),
            stack,
        }
    }

    /// The number of the attempt that sent this.
    pub fn attempt(&self) -> Option<u64> {
        self.nome.strip_prefix(NAME)?.parse().ok()
    }

    pub fn json(&self) -> Value {
        json!({
            "apelido": self.apelido,
            "nome": self.nome,
            "nascimento": self.nascimento,
            "stack": self.stack,
        })
    }

    /// Whether a body of `GET /pessoas/{id}` is this person with this id.
    pub fn is_in(&self, body: &[u8], id: Uuid) -> bool {
        let mut expected = self.json();
        expected["id"] = json!(id.to_string());
        serde_json::from_slice::<Value>(body).is_ok_and(|told| told == expected)
    }
}

impl Stored {
    /// From the columns `id, apelido, nome, nascimento, stack`, the first of which is column `first`.
    pub fn of(row: &postgres::Row, first: usize) -> Self {
        Self {
            id: row.get(first),
            person: Person {
                apelido: row.get(first + 1),
                nome: row.get(first + 2),
                nascimento: shown(row.get(first + 3)),
                stack: row.get(first + 4),
            },
        }
    }
}

/// Everything that Postgres has.
pub fn stored(client: &mut postgres::Client) -> Result<Vec<Stored>, postgres::Error> {
    let rows = client.query("SELECT id, apelido, nome, nascimento, stack FROM people", &[])?;
    Ok(rows.iter().map(|row| Stored::of(row, 0)).collect())
}

fn shown(date: Date) -> String {
    let (year, month, day) = date.to_calendar_date();
    format!("{year:04}-{:02}-{day:02}", <u8 as From<Month>>::from(month))
}
