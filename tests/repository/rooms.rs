//! The order of rooms that ARCHITECTURE.md draws: no `use` leads back up, none to a room beside, and none in
//! a circle.
//!
//! Read are all paths in the code of `src/` that begin with `crate::`, `super::` or, in the program,
//! `pouco::`; comments are not, since a link in the documentation is no dependence.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Which rooms use which, each edge with the first file that has it.
type Edges = BTreeMap<(String, String), PathBuf>;

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The drawing that begins with the room `first`, from the top to the bottom: the rooms of one row know
/// nothing of each other, but for those of the last one.
fn drawn(first: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(top().join("ARCHITECTURE.md")).unwrap();
    let mut lines = text.lines().skip_while(|line| !line.starts_with(&format!("{first} → ")));
    let mut line = lines.next().unwrap().to_owned();
    line.extend(lines.take_while(|line| line.starts_with("  → ")));
    let row = |row: &str| row.split(',').map(|room| room.trim().to_owned()).collect();
    line.split('→').map(row).collect()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
    found
}

/// `http::serve::wire` for `src/http/serve/wire.rs`, `http::serve` for `src/http/serve/mod.rs`.
fn module_of(path: &Path) -> Vec<String> {
    let inside = path.strip_prefix(top().join("src")).unwrap().with_extension("");
    let mut names: Vec<String> =
        inside.components().map(|part| part.as_os_str().to_str().unwrap().to_owned()).collect();
    if names.last().is_some_and(|name| name == "mod" || name == "lib") {
        names.pop();
    }
    names
}

/// The code without comments, which begin a line or stand behind a blank.
fn code_of(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let comment = line.trim_start().starts_with("//");
        if comment { "" } else { line.split(" // ").next().unwrap_or_default() }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Where the paths of a module lead, from the root of the crate.
fn paths_in(code: &str, module: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for start in ["crate::", "super::", "pouco::"] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            // Inside of a longer word or path, such as the second `super` of two; or how far something is
            // seen.
            let inside = before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | ':'));
            if inside || code[..at].ends_with("pub(in ") {
                continue;
            }
            let mut base = if start == "super::" { parent(module) } else { Vec::new() };
            let mut rest = &code[at + start.len()..];
            while let Some(further) = rest.strip_prefix("super::") {
                base = parent(&base);
                rest = further;
            }
            expand(&base, rest, &mut found);
        }
    }
    found
}

fn parent(module: &[String]) -> Vec<String> {
    module[..module.len().saturating_sub(1)].to_vec()
}

/// Follows `a::b`, and each branch of `a::{b, c::d}`; how long the text goes on is known by its brackets.
fn expand(base: &[String], text: &str, found: &mut Vec<Vec<String>>) {
    let text = text.trim_start();
    if let Some(group) = text.strip_prefix('{') {
        let (mut depth, mut begun) = (0_i32, 0);
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                ',' if depth == 0 => {
                    expand(base, &group[begun..at], found);
                    begun = at + 1;
                }
                '}' if depth == 0 => return expand(base, &group[begun..at], found),
                '}' => depth -= 1,
                _ => {}
            }
        }
        return;
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    if end == 0 {
        return;
    }
    let path = [base, &[text[..end].to_owned()]].concat();
    match text[end..].strip_prefix("::") {
        Some(rest) if rest.starts_with(|c: char| c == '{' || c == '_' || c.is_alphanumeric()) => {
            expand(&path, rest, found);
        }
        _ => found.push(path),
    }
}

/// The edges between the rooms below the module `within`, which are its files and folders.
fn edges(within: &[&str]) -> (BTreeSet<String>, Edges) {
    let below = |module: &[String]| {
        let inside = module.len() > within.len() && module.iter().zip(within).all(|(name, own)| name == own);
        inside.then(|| module[within.len()].clone())
    };
    let files = sources(&top().join("src"));
    let modules = || files.iter().map(|path| (path, module_of(path)));
    let rooms: BTreeSet<String> = modules().filter_map(|(_, module)| below(&module)).collect();
    let mut edges = Edges::new();
    for (path, module) in modules() {
        let Some(from) = below(&module) else { continue };
        for to in paths_in(&code_of(&fs::read_to_string(path).unwrap()), &module) {
            // The folder itself hands on what its rooms offer; inside it nobody may go that way round.
            let to = match below(&to) {
                Some(to) if rooms.contains(&to) => to,
                _ if !within.is_empty() && to.starts_with(&owned(within)) => within.join("::"),
                _ => continue,
            };
            if from != to {
                edges.entry((from.clone(), to)).or_insert_with(|| path.clone());
            }
        }
    }
    (rooms, edges)
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Panics where an edge does not lead down the drawing.
fn check(rows: &[Vec<String>], edges: &Edges) {
    let row_of = |room: &str| rows.iter().position(|row| row.iter().any(|name| name == room));
    let mut wrong = Vec::new();
    for ((from, to), path) in edges {
        let (Some(above), Some(below)) = (row_of(from), row_of(to)) else { continue };
        let last = above == below && above == rows.len() - 1;
        if above >= below && !last {
            wrong.push(format!("{from} uses {to} in {}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "against the order of ARCHITECTURE.md:\n{}", wrong.join("\n"));
    // Also among the rooms of the last row, which may use each other.
    let mut left: BTreeSet<(&str, &str)> =
        edges.keys().map(|(from, to)| (from.as_str(), to.as_str())).collect();
    loop {
        let before = left.len();
        let users: BTreeSet<&str> = left.iter().map(|(from, _)| *from).collect();
        left.retain(|(_, to)| users.contains(to));
        if left.len() == before {
            break;
        }
    }
    assert!(left.is_empty(), "in a circle, or leading into one: {left:?}");
}

fn all_are_drawn(rooms: &BTreeSet<String>, rows: &[Vec<String>], others: &[&str]) {
    let drawn: BTreeSet<&str> = rows.iter().flatten().map(String::as_str).collect();
    for room in rooms.iter().filter(|room| !others.contains(&room.as_str())) {
        assert!(drawn.contains(room.as_str()), "{room} is not in the drawing of ARCHITECTURE.md");
    }
}

#[test]
fn no_arrow_between_rooms_leads_back_up() {
    let rows = drawn("main");
    let (rooms, edges) = edges(&[]);
    all_are_drawn(&rooms, &rows, &[]);
    assert!(edges.len() > 30, "only {} edges found", edges.len());
    check(&rows, &edges);
}

#[test]
fn inside_http_nothing_leads_back_up() {
    let rows = drawn("serve");
    let (rooms, edges) = edges(&["http"]);
    // The doors for the fuzzer stand above all of them.
    all_are_drawn(&rooms, &rows, &["fuzzing"]);
    for (from, to) in [("route", "message"), ("serve", "message"), ("serve", "route"), ("fuzzing", "message")]
    {
        assert!(edges.contains_key(&(from.to_owned(), to.to_owned())), "{from} uses {to}, unseen");
    }
    let through = edges.keys().find(|(_, to)| to == "http" || to == "fuzzing");
    assert_eq!(through, None, "uses what the folder hands on, or the fuzzer's doors");
    check(&rows, &edges);
}

/// By its module, its name as a text, or in a setting. Comments may.
#[test]
fn nothing_outside_an_api_s_folder_names_it() {
    let apis = top().join("src/api");
    for name in pouco::api::APIS.iter().map(|api| api.name) {
        let words =
            [format!("api::{name}"), format!("\"{name}\""), format!("POUCO_{}_", name.to_uppercase())];
        for path in sources(&top().join("src")) {
            let inside = path.starts_with(apis.join(name)) || path == apis.join("mod.rs");
            let code = code_of(&fs::read_to_string(&path).unwrap());
            let found = words.iter().find(|word| code.contains(word.as_str()));
            assert!(inside || found.is_none(), "{} names an API: {found:?}", path.display());
        }
    }
}

#[test]
fn an_arrow_back_up_and_a_circle_are_found() {
    let rows = [owned(&["top"]), owned(&["a", "b"]), owned(&["leaf"])];
    let edges_of = |code: &str, module: &[&str]| {
        let module = owned(module);
        let paths = paths_in(&code_of(code), &module);
        let edge = |to: &Vec<String>| ((module[0].clone(), to[0].clone()), PathBuf::from(&module[0]));
        paths.iter().map(edge).filter(|((from, to), _)| from != to).collect::<Edges>()
    };
    let passes = |code: &str, module: &[&str]| {
        let edges = edges_of(code, module);
        std::panic::catch_unwind(|| check(&rows, &edges)).is_ok()
    };
    assert!(passes("use crate::{a, b::{self, C}, leaf};", &["top", "x"]));
    assert!(passes("use super::super::leaf::D;\n//! [`x`](crate::top::x)\n", &["a", "x"]));
    assert!(!passes("use crate::{leaf, top::x};", &["a", "x"]));
    assert!(!passes("pub use super::super::b::x;", &["a", "x"]));
    assert!(!passes("let x = crate::top::x();", &["leaf", "x"]));
    let halves = [edges_of("use crate::b;", &["a"]), edges_of("use crate::a;", &["b"])];
    let circle: Edges = halves.into_iter().flatten().collect();
    let names = |edges: &Edges| edges.keys().map(|(from, to)| format!("{from} {to}")).collect::<Vec<_>>();
    assert_eq!(names(&circle), ["a b", "b a"]);
    let leaves = [owned(&["a", "b"])];
    assert!(std::panic::catch_unwind(|| check(&leaves, &circle)).is_err());
}
