//! Documents that are the same each time: authors with their posts, groups of articles, how many articles
//! there are. What is right says the lab's own query, asked before the load. All variants are held against
//! it, so they are equal to each other.

use std::collections::HashMap;

use serde_json::Value;

use super::Task;

/// Which document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Document {
    /// The first so many authors, each with all posts.
    Authors(u64),
    /// The largest so many groups of articles by country.
    Countries(u64),
    /// The same by author.
    Writers(u64),
    /// The number of articles.
    Count,
}

impl Document {
    /// By its path, with the limit in it.
    pub(super) fn new(route: &str, limit: Option<u64>) -> Option<Self> {
        let parts: Vec<&str> = route.split('/').skip(1).collect();
        Some(match parts.as_slice() {
            ["n-plus-one", _] => Self::Authors(limit?),
            ["aggregation", "count", _] => Self::Count,
            ["aggregation", "stats", "country", _] => Self::Countries(limit?),
            ["aggregation", "stats", "author", _] => Self::Writers(limit?),
            _ => return None,
        })
    }

    /// What makes it; tables stand behind `{schema}`.
    #[must_use]
    pub fn query(self) -> String {
        let groups = |column: &str, limit: u64| {
            format!(
                "SELECT json_build_object('groups', json_agg(json_build_object('key', key, 'articles', articles, \
                 'views', views) ORDER BY articles DESC, key COLLATE \"C\")) FROM (SELECT {column}::text AS key, \
                 count(*) AS articles, sum(views)::bigint AS views FROM {{schema}}articles GROUP BY 1 \
                 ORDER BY 2 DESC, {column}::text COLLATE \"C\" LIMIT {limit}) AS groups"
            )
        };
        match self {
            Self::Authors(limit) => format!(
                "SELECT json_build_object('authors', json_agg(json_build_object('id', id, 'name', name, 'country', \
                 country, 'posts', (SELECT json_agg(json_build_object('id', post.id, 'title', title, 'body', body) \
                 ORDER BY post.id) FROM {{schema}}posts AS post WHERE author_id = author.id)) ORDER BY id)) \
                 FROM (SELECT * FROM {{schema}}authors ORDER BY id LIMIT {limit}) AS author"
            ),
            Self::Countries(limit) => groups("country", limit),
            Self::Writers(limit) => groups("author_id", limit),
            Self::Count => "SELECT json_build_object('count', count(*)) FROM {schema}articles".to_owned(),
        }
    }
}

/// What each must be, and how it was spelled when it was found right the last time.
#[derive(Debug, Default)]
pub(super) struct Documents {
    right: HashMap<Task, (Value, Vec<u8>)>,
}

impl Documents {
    pub(super) fn new(right: &[(Task, Value)]) -> Self {
        Self { right: right.iter().map(|(task, value)| (*task, (value.clone(), Vec::new()))).collect() }
    }

    pub(super) fn judge(&mut self, task: Task, body: &[u8]) -> Result<(), &'static str> {
        let Some((right, spelled)) = self.right.get_mut(&task) else {
            return Err("nobody knows what is right");
        };
        if !spelled.is_empty() && spelled == body {
            return Ok(());
        }
        let found: Value = super::read(body, "the body is no JSON")?;
        if found != *right {
            return Err("the document is not what the lab's own query says");
        }
        spelled.clear();
        spelled.extend_from_slice(body);
        Ok(())
    }
}
