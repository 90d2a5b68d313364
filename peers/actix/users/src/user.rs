//! A user, and a page of users: rows of Postgres, and the JSON that is answered.

use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio_postgres::{Error, Row};
use uuid::Uuid;

#[derive(Debug, Serialize)]
pub(crate) struct User {
    pub(crate) id: Uuid,
    pub(crate) email: String,
    pub(crate) full_name: String,
    pub(crate) age: i32,
    pub(crate) country_code: String,
    pub(crate) is_active: bool,
    pub(crate) created_at: DateTime<Utc>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Page {
    pub(crate) items: Vec<User>,
    pub(crate) limit: i64,
    pub(crate) offset: i64,
    pub(crate) total: i64,
}

impl User {
    /// From the columns in the order of the fields.
    pub(crate) fn from_row(row: &Row) -> Result<Self, Error> {
        Ok(Self {
            id: row.try_get(0)?,
            email: row.try_get(1)?,
            full_name: row.try_get(2)?,
            age: row.try_get(3)?,
            country_code: row.try_get(4)?,
            is_active: row.try_get(5)?,
            created_at: row.try_get(6)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_utc_without_an_empty_fraction() {
        let user = User {
            id: Uuid::from_u128(1),
            email: "user1@example.com".to_owned(),
            full_name: "User 1".to_owned(),
            age: 25,
            country_code: "US".to_owned(),
            is_active: true,
            created_at: "2026-01-31T09:00:00+01:00".parse().unwrap(),
        };
        let expected = concat!(
            r#"{"id":"00000000-0000-0000-0000-000000000001","email":"user1@example.com","full_name":"User 1","#,
            r#""age":25,"country_code":"US","is_active":true,"created_at":"2026-01-31T08:00:00Z"}"#,
        );
        assert_eq!(serde_json::to_string(&user).unwrap(), expected);
    }
}
