//! The contestants of the lab's own contests: some stand in files, and the others are one of those with a few
//! words replaced.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

struct Other {
    peers: &'static str,
    of: &'static str,
    name: &'static str,
    about: &'static str,
    /// What stands in the file, and what stands here in its place.
    words: [&'static str; 2],
}

const fn other([peers, of, name]: [&'static str; 3], about: &'static str, words: [&'static str; 2]) -> Other {
    Other { peers, of, name, about, words }
}

const OTHERS: [Other; 11] = [
    other(
        ["peers", "honest", "liar"],
        "Answers 201 to each tenth person without storing it.",
        ["LIES = \"no\"", "LIES = \"yes\""],
    ),
    other(
        ["peers", "honest", "amnesic"],
        "Stores each person before it answers, and after a start answers none of the former ones by id.",
        ["command = [", "command = [\"env\", \"TINY_FORGETS=id\", "],
    ),
    other(
        ["peers", "honest", "unbounded"],
        "Stores each person, and runs without the limits that it was given.",
        ["cgroups/bounded", "cgroups/unbounded"],
    ),
    other(["edge-peers", "honest", "liar"], "Answers each seventh time with another text.", ["none", "text"]),
    other(["edge-peers", "honest", "old"], "Shows a time that nothing may be kept for.", ["none", "old"]),
    other(
        ["users-peers", "honest", "liar"],
        "Answers each seventh look-up with somebody else, and makes somebody older now and then.",
        ["none", "body"],
    ),
    other(["users-peers", "honest", "stale"], "Counts the users once, and never again.", ["none", "total"]),
    other(
        ["shop-peers", "honest", "blind"],
        "After a start one replica knows no order from before, and the stock as it was then.",
        [
            "FAULT=none\", \"TINY_SOCKET={variable:POUCO_LAB_TEST_SOCKETS}/api2",
            "FAULT=blind\", \"TINY_SOCKET={variable:POUCO_LAB_TEST_SOCKETS}/api2",
        ],
    ),
    other(
        ["shop-peers", "honest", "oversells"],
        "What each fifth order takes, another one has overwritten.",
        ["FAULT=none", "FAULT=oversells"],
    ),
    other(
        ["shop-peers", "dips", "forgets"],
        "Acknowledges each fifth order without storing it.",
        ["FAULT=dips", "FAULT=forgets"],
    ),
    other(
        ["shop-peers", "dips", "stands"],
        "Answers nothing more once the shop is open.",
        ["FAULT=dips", "FAULT=stands"],
    ),
];

/// Lays out the contestants of `peers` below `folder`, with the recorded trees that they name: where.
pub(crate) fn laid_out(peers: &str, folder: &Path) -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/contest");
    let there = folder.join("contestants").join(peers);
    let write = |name: &str, text: &str| {
        fs::create_dir_all(there.join(name)).unwrap();
        fs::write(there.join(name).join("contestant.toml"), text).unwrap();
    };
    let read = |name: &str| fs::read_to_string(here.join(peers).join(name).join("contestant.toml")).unwrap();
    for entry in fs::read_dir(here.join(peers)).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        write(&name, &read(&name));
    }
    for other in OTHERS.iter().filter(|other| other.peers == peers) {
        let text = read(other.of);
        let about = text.lines().find(|line| line.starts_with("about = ")).unwrap();
        let [from, to] = other.words;
        assert!(text.contains(from), "{from} is not in {}", other.of);
        let text = text.replace(about, &format!("about = {:?}", other.about)).replace(from, to);
        let title = |name: &str| format!("title = {name:?}");
        write(other.name, &text.replace(&title(other.of), &title(other.name)));
    }
    symlink(here.join("cgroups"), folder.join("contestants/cgroups")).unwrap();
    there
}
