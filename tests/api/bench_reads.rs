//! What the API `bench` reads in several ways: each answers what the table has, and the same as the others.

use serde_json::{Value, json};

use crate::bench::{replica, send};
use crate::support::{Database, Replica};

/// Each of them is a 422 that names the parameter.
pub(crate) fn refused(replica: &Replica, method: &str, cases: &[(&str, &str)]) {
    for (path, field) in cases {
        let answer = send(replica, method, path, &Value::Null);
        assert_eq!(answer.status, 422, "{path}: {}", answer.text());
        assert_eq!(answer.json()["field"], *field, "{path}: {}", answer.text());
    }
}

/// So many users, of whom every seventh has left.
fn users(database: &Database, count: i64) {
    crate::bench::users(database, count);
    database.execute("DELETE FROM bench.users WHERE id % 7 = 0");
}

fn ids_of(items: &Value) -> Vec<i64> {
    items.as_array().unwrap().iter().map(|user| user["id"].as_i64().unwrap()).collect()
}

fn stored_ids(database: &Database) -> Vec<i64> {
    let rows = database.client().query("SELECT id FROM bench.users ORDER BY id", &[]).unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Everybody behind the cursor 0, in pages.
fn walked(replica: &Replica, size: usize, mut between: impl FnMut()) -> Vec<i64> {
    let (mut ids, mut cursor) = (Vec::new(), json!(0));
    while !cursor.is_null() {
        let page = replica.get(&format!("/users/cursor?size={size}&cursor={cursor}")).json();
        let found = ids_of(&page["items"]);
        assert_eq!(page["size"], size);
        assert!(found.len() == size || page["next_cursor"].is_null(), "{page}");
        cursor = page["next_cursor"].clone();
        assert!(cursor.is_null() || cursor.as_i64() == found.last().copied(), "{page}");
        ids.extend(found);
        between();
    }
    ids
}

#[test]
fn a_page_has_its_users_by_number_and_by_cursor() {
    let (database, replica) = replica();
    assert_eq!(
        replica.get("/users/offset").json(),
        json!({"items": [], "total": 0, "page": 1, "size": 20, "total_pages": 0})
    );
    assert_eq!(replica.get("/users/cursor").json(), json!({"items": [], "next_cursor": null, "size": 20}));
    users(&database, 70);
    let stored = stored_ids(&database);
    assert_eq!(stored.len(), 60);
    assert_eq!(replica.get("/users/offset?size=60").json()["items"], replica.get("/users").json());
    for size in [1, 7, 20, 60, 1000] {
        let pages = stored.len().div_ceil(size);
        for page in [1, 2, pages, pages + 1] {
            let path = format!("/users/offset?page={page}&size={size}");
            let counted = replica.get(&path).json();
            let expected = stored.chunks(size).nth(page - 1).unwrap_or_default();
            assert_eq!(ids_of(&counted["items"]), expected, "{path}");
            assert_eq!(counted["total"], 60, "{path}");
            assert_eq!((&counted["page"], &counted["size"]), (&json!(page), &json!(size)), "{path}");
            assert_eq!(counted["total_pages"], pages, "{path}");
            let plain = replica.get(&format!("{path}&count=false")).json();
            assert_eq!(plain["items"], counted["items"], "{path}");
            assert!(plain["total"].is_null() && plain["total_pages"].is_null(), "{plain}");
        }
        assert_eq!(walked(&replica, size, || ()), stored, "{size} a page");
    }
    let far = replica.get(&format!("/users/offset?page={}&size=1000", i64::MAX));
    assert_eq!((far.status, &far.json()["items"]), (200, &json!([])));
    assert_eq!(replica.get(&format!("/users/cursor?cursor={}", i64::MAX)).json()["items"], json!([]));
    assert_eq!(replica.get("/users/1").status, 200, "by id as before");
}

/// Whoever is there from the beginning to the end of a walk is in it once, whatever happens meanwhile.
#[test]
fn a_walk_meets_everybody_once() {
    let (database, replica) = replica();
    users(&database, 70);
    let before = stored_ids(&database);
    let mut client = database.client();
    let ids = walked(&replica, 5, || {
        let change = "INSERT INTO bench.users (name, email) SELECT 'New', gen_random_uuid() || '@example.com'
                      WHERE (SELECT count(*) FROM bench.users) < 75;
                      DELETE FROM bench.users WHERE id = (SELECT min(id) FROM bench.users WHERE id % 3 = 0)";
        client.batch_execute(change).unwrap();
    });
    let after = stored_ids(&database);
    for id in before.iter().filter(|id| after.contains(id)) {
        assert_eq!(ids.iter().filter(|one| *one == id).count(), 1, "{id} in {ids:?}");
    }
    assert!(ids.is_sorted_by(|one, next| one < next), "{ids:?}");
}

#[test]
fn authors_are_the_same_by_any_number_of_statements() {
    let (database, replica) = replica();
    let ways = ["lazy", "eager", "subquery"];
    for way in ways {
        assert_eq!(replica.get(&format!("/n-plus-one/{way}")).json(), json!({"authors": []}));
    }
    // Ids of posts are not in the order of their authors, and the fourth author has none.
    let fill =
        "INSERT INTO bench.authors SELECT n, 'Author \"' || n, 'C' || n % 5 FROM generate_series(1, 30) AS n;
                INSERT INTO bench.posts SELECT 1000 - 20 * n + m, n, 'T' || m, E'é\\n' || n
                FROM generate_series(1, 30) AS n, generate_series(0, 4 + n % 11) AS m WHERE n <> 4";
    database.execute(fill);
    let expected = |limit: i64| {
        let sql = "SELECT json_build_object('authors', json_agg(json_build_object(
                       'id', id, 'name', name, 'country', country, 'posts', posts) ORDER BY id))::text
                   FROM (SELECT * FROM bench.authors ORDER BY id LIMIT $1) AS a,
                   LATERAL (SELECT coalesce(json_agg(json_build_object('id', p.id, 'title', title, 'body', body)
                       ORDER BY p.id), '[]') AS posts FROM bench.posts AS p WHERE p.author_id = a.id) AS of";
        let text: String = database.client().query_one(sql, &[&limit]).unwrap().get(0);
        serde_json::from_str::<Value>(&text).unwrap()
    };
    for (query, limit) in [("", 20), ("?limit=1", 1), ("?limit=5", 5), ("?limit=100", 100)] {
        let answers = ways.map(|way| replica.get(&format!("/n-plus-one/{way}{query}")));
        assert_eq!(answers[0].json(), expected(limit), "{query}");
        assert!(answers.iter().all(|answer| answer.body == answers[0].body), "{query}");
    }
    assert_eq!(replica.get("/n-plus-one/other").status, 404);
}

#[test]
fn a_number_that_is_none_is_named() {
    let (_database, replica) = replica();
    let cases = [
        ("/users/offset?page=0", "page"),
        ("/users/offset?page=one", "page"),
        ("/users/offset?page=9223372036854775808", "page"),
        ("/users/offset?size=0", "size"),
        ("/users/offset?size=1001", "size"),
        ("/users/offset?count=maybe", "count"),
        ("/users/cursor?cursor=-1", "cursor"),
        ("/users/cursor?cursor=", "cursor"),
        ("/users/cursor?size=1001", "size"),
        ("/n-plus-one/lazy?limit=0", "limit"),
        ("/n-plus-one/eager?limit=101", "limit"),
        ("/n-plus-one/subquery?limit=1.5", "limit"),
        ("/aggregation/stats/country/raw?limit=0", "limit"),
        ("/aggregation/stats/author/kept?limit=101", "limit"),
        ("/search/users?mode=like", "q"),
        ("/search/users?q=&mode=like", "q"),
        ("/search/users?q=a%00b&mode=like", "q"),
        ("/search/users?q=a", "mode"),
        ("/search/users?q=a&mode=regex", "mode"),
        ("/search/users?q=a&mode=fts&limit=101", "limit"),
    ];
    refused(&replica, "GET", &cases);
    let long = format!("/search/users?mode=like&q={}", "a".repeat(101));
    refused(&replica, "GET", &[(long.as_str(), "q")]);
}

/// Keeps the totals of articles, as whoever compares does it.
const KEEP_TOTALS: &str = "
    CREATE FUNCTION bench.keep_totals() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO bench.article_totals VALUES
            ('country', NEW.country, 1, NEW.views), ('author', NEW.author_id::text, 1, NEW.views)
        ON CONFLICT (kind, key) DO UPDATE SET articles = article_totals.articles + 1,
            views = article_totals.views + excluded.views;
        RETURN NEW;
    END $$;
    CREATE TRIGGER keep_totals AFTER INSERT ON bench.articles FOR EACH ROW EXECUTE FUNCTION bench.keep_totals()";

#[test]
fn groups_are_those_of_the_rows_by_all_ways() {
    let (database, replica) = replica();
    for way in ["orm", "raw"] {
        assert_eq!(replica.get(&format!("/aggregation/count/{way}")).json(), json!({"count": 0}));
    }
    let empty = replica.get("/aggregation/stats/country/kept").json();
    assert_eq!(empty, json!({"groups": []}));
    let mut client = database.client();
    client.batch_execute(KEEP_TOTALS).unwrap();
    let fill = "INSERT INTO bench.articles SELECT n, 1 + n % 40, 'C' || n % 7 * n % 13, n % 100, 'body'
                FROM generate_series(1, 2000) AS n";
    client.batch_execute(fill).unwrap();
    for way in ["orm", "raw"] {
        assert_eq!(replica.get(&format!("/aggregation/count/{way}")).json(), json!({"count": 2000}));
    }
    for (kind, key) in [("country", "country"), ("author", "author_id::text")] {
        let sql = format!(
            "SELECT {key}, count(*), sum(views)::bigint FROM bench.articles GROUP BY 1
             ORDER BY 2 DESC, {key} COLLATE \"C\""
        );
        let rows = client.query(&sql, &[]).unwrap();
        let read = |row: &postgres::Row| {
            let (key, articles, views): (String, i64, i64) = (row.get(0), row.get(1), row.get(2));
            json!({"key": key, "articles": articles, "views": views})
        };
        let all: Vec<Value> = rows.iter().map(read).collect();
        assert!(all.len() > 10);
        for way in ["raw", "kept"] {
            for (query, limit) in [("", 10), ("?limit=1", 1), ("?limit=100", 100)] {
                let answer = replica.get(&format!("/aggregation/stats/{kind}/{way}{query}")).json();
                let expected = &all[..all.len().min(limit)];
                assert_eq!(answer, json!({"groups": expected}), "{kind} {way} {query}");
            }
        }
    }
}

#[test]
fn a_search_finds_who_has_the_text() {
    let (database, replica) = replica();
    let names = ["Ana Almeida", "Joana", "50%_off", "50 off", "a\\b", "Łukasz", "ANA", "Bob"];
    for (number, name) in names.iter().enumerate() {
        let sql = "INSERT INTO bench.users (name, email) VALUES ($1, $2)";
        database.client().execute(sql, &[name, &format!("mail{number}@example.com")]).unwrap();
    }
    let found = |query: &str| {
        let answer = replica.get(&format!("/search/users?{query}"));
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
        ids_of(&answer.json()["users"])
    };
    for mode in ["like", "trgm"] {
        if mode == "trgm" {
            let index = "CREATE EXTENSION pg_trgm;
                         CREATE INDEX ON bench.users USING gin (name gin_trgm_ops);
                         CREATE INDEX ON bench.users USING gin (email gin_trgm_ops)";
            database.execute(index);
        }
        for (q, ids) in [
            ("ana", vec![1, 2, 7]),
            ("AnA%20", vec![1]),
            ("%C5%82UK", vec![6]),
            ("50%25_", vec![3]),
            ("50%25o", vec![]),
            ("a%5Cb", vec![5]),
            ("mail3@", vec![4]),
            ("EXAMPLE.com", vec![1, 2, 3, 4, 5, 6, 7, 8]),
            ("nobody", vec![]),
        ] {
            assert_eq!(found(&format!("mode={mode}&q={q}")), ids, "{mode} {q}");
        }
        assert_eq!(found(&format!("mode={mode}&q=example&limit=3")), [1, 2, 3], "{mode}");
    }
    for (q, ids) in
        [("ana", vec![1, 7]), ("almeida+ana", vec![1]), ("alm", vec![]), ("mail7@example.com", vec![8])]
    {
        assert_eq!(found(&format!("mode=fts&q={q}")), ids, "{q}");
    }
    let first = replica.get("/search/users?mode=like&q=ana&limit=1").json();
    assert_eq!(first["users"][0], replica.get("/users/1").json());
}
