//! The list of 1,000 users as JSON, by `serde_json`, by `simd-json` and by hand: what rendering alone costs
//! in Rust. `cargo bench --bench json -- [--rounds N] [--bodies N]`
//!
//! All three are the same document, which is seen before anything is measured. They take turns, round by
//! round; a line of JSON for each round says how many microseconds of CPU a body took.
#![allow(missing_docs)]

use std::error::Error;
use std::hint::black_box;
use std::time::Duration;

use pouco_tools::bench::options;
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use serde_json::{Value, json};

const USERS: i64 = 1_000;
const NAMES: [&str; 8] = ["Ana", "Björn", "Chloé", "Đorđe", "Emre", "Fátima", "Grace", "Hiro"];

#[derive(Serialize)]
struct User {
    id: i64,
    name: String,
    email: String,
    created_at: String,
}

/// Rows like those of the contest of scenarios.
fn users() -> Vec<User> {
    let user = |id: i64| User {
        id,
        name: format!("{} {id}", NAMES[usize::try_from(id).unwrap_or_default() % NAMES.len()]),
        email: format!("user{id}@example.com"),
        created_at: format!("2024-01-{:02}T{:02}:00:07Z", 1 + id / 24 % 28, id % 24),
    };
    (1..=USERS).map(user).collect()
}

/// Appends a body to what is there: each library writes into the same buffer, as a server has it.
type Render = fn(&[User], &mut Vec<u8>) -> Result<(), Box<dyn Error>>;

const WAYS: [(&str, Render); 3] = [
    ("serde_json", |users, out| Ok(serde_json::to_writer(out, users)?)),
    ("simd-json", |users, out| Ok(simd_json::to_writer(out, users)?)),
    ("by hand", |users, out| {
        by_hand(users, out);
        Ok(())
    }),
];

fn by_hand(users: &[User], out: &mut Vec<u8>) {
    out.push(b'[');
    for (place, user) in users.iter().enumerate() {
        out.extend_from_slice(if place == 0 { b"{\"id\":" } else { b",{\"id\":" });
        out.extend_from_slice(itoa::Buffer::new().format(user.id).as_bytes());
        for (key, value) in [
            (",\"name\":\"", &user.name),
            ("\",\"email\":\"", &user.email),
            ("\",\"created_at\":\"", &user.created_at),
        ] {
            out.extend_from_slice(key.as_bytes());
            write_text(out, value);
        }
        out.extend_from_slice(b"\"}");
    }
    out.push(b']');
}

/// Without its quotes; nearly all texts have nothing to escape.
fn write_text(out: &mut Vec<u8>, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| byte < 0x20 || matches!(byte, b'"' | b'\\')) {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        out.extend_from_slice(format!("\\u{:04x}", rest.as_bytes()[at]).as_bytes());
        // What is escaped is a byte of its own.
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest.as_bytes());
}

fn main() -> Result<(), Box<dyn Error>> {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // counts that somebody has typed
    let (rounds, bodies) =
        (options::option("--rounds", 7.0)? as u32, options::option("--bodies", 2_000.0)? as u32);
    let users = users();
    the_same(&users)?;
    let mut out = Vec::new();
    for _ in 0..rounds {
        for (name, render) in WAYS {
            let begun = cpu();
            for _ in 0..bodies {
                out.clear();
                render(black_box(&users), &mut out)?;
                black_box(&out);
            }
            let micros = (cpu() - begun).as_secs_f64() * 1e6 / f64::from(bodies.max(1));
            println!("{}", json!({"name": name, "value": micros}));
        }
    }
    Ok(())
}

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    #[allow(clippy::cast_sign_loss, clippy::cast_possible_truncation)] // since the thread began
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Also where something has to be escaped.
fn the_same(users: &[User]) -> Result<(), Box<dyn Error>> {
    let odd =
        |id, name: &str| User { id, name: name.into(), email: String::new(), created_at: "日本".into() };
    for users in [users, &[odd(i64::MIN, "a\"b\\c\n\u{1}\u{7f}"), odd(i64::MAX, "🦀")]] {
        let expected: Value = serde_json::to_value(users)?;
        for (name, render) in WAYS {
            let mut out = Vec::new();
            render(users, &mut out)?;
            if serde_json::from_slice::<Value>(&out)? != expected {
                return Err(format!("{name}: another document").into());
            }
        }
    }
    Ok(())
}
