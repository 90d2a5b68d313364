//! The people in memory at a million: bytes a person by owner, the time to add one, and searches of usual and
//! of nasty kinds, whole and by slice.
//!
//!   cargo bench --bench search -- [--people N] [--searches N] [--seed N] [--encodings] [--json FILE]
#![allow(missing_docs, clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)]

mod encodings;
mod measure;
mod people;

use std::error::Error;
use std::hint::black_box;

use measure::{Now, percentile, resident_bytes};
use people::{LANGUAGES, Source};
use pouco::cache::search::{Index, Record};
use serde_json::{Value, json};
use uuid::Uuid;

struct Options {
    people: u32,
    searches: usize,
    seed: u64,
    encodings: bool,
    json: Option<String>,
}

/// What the terms need to know of the people.
struct Known {
    nicks: Vec<String>,
    ids: Vec<Uuid>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = parse(std::env::args().skip(1))?;
    let mut report = json!({ "people": options.people, "seed": options.seed });
    let (index, known) = build(&options, &mut report);
    report["by_id"] = look_ups(&index, &known);
    report["searches"] = searches(&index, &known, &options).into();
    if options.encodings {
        report["encodings"] = compare_encodings(&index);
    }
    if let Some(path) = &options.json {
        std::fs::write(path, serde_json::to_string_pretty(&report)?)?;
    }
    Ok(())
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, Box<dyn Error>> {
    let mut options =
        Options { people: 1_000_000, searches: 2_000, seed: 2023, encodings: false, json: None };
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{name} needs a value"));
        match name.as_str() {
            "--people" => options.people = value()?.parse()?,
            "--searches" => options.searches = value()?.parse()?,
            "--seed" => options.seed = value()?.parse()?,
            "--json" => options.json = Some(value()?),
            "--encodings" => options.encodings = true,
            // Cargo's own.
            "--bench" => {}
            _ => return Err(format!("unknown option {name}").into()),
        }
    }
    Ok(options)
}

/// Adds the people one by one, as commits and the feed do, and looks at the memory.
fn build(options: &Options, report: &mut Value) -> (Index, Known) {
    let mut source = Source::new(options.seed);
    let mut index = Index::new(usize::MAX);
    let mut known = Known { nicks: Vec::with_capacity(1_000), ids: Vec::with_capacity(1_000) };
    let every = (options.people / 1_000).max(1);
    let before = resident_bytes();
    let mut adds = vec![0_f32; options.people as usize];
    // Its pages are there before the first look at the memory.
    adds.fill(1.0);
    let with_times = resident_bytes() - before;
    for number in 0..options.people {
        let person = source.person(number);
        let now = Now::get();
        index.add(person.id, number, person.texts()).unwrap_or_else(|full| panic!("{full:?}"));
        adds[number as usize] = now.passed().cpu as f32;
        if number % every == 0 {
            known.nicks.push(person.texts[0].clone());
            known.ids.push(person.id);
        }
    }
    let resident = resident_bytes() - before - with_times;
    let mut adds: Vec<f64> = adds.into_iter().map(f64::from).collect();
    let mean = adds.iter().sum::<f64>() / adds.len() as f64;
    adds.sort_by(f64::total_cmp);

    let each = |bytes: usize| bytes as f64 / f64::from(options.people);
    let by_owner = index.bytes_by_owner();
    println!("{} people of the contest's kind, seed {}\n", options.people, options.seed);
    println!("| bytes a person | |\n|---|---|");
    let owners = [
        ("ids and places", by_owner.records),
        ("tables by id and by nickname", by_owner.tables),
        ("texts", by_owner.texts),
        ("table of posting lists", by_owner.lists),
        ("posting lists", by_owner.postings),
        ("**sum** (`Index::bytes`)", by_owner.sum()),
        ("**growth of the process** (VmRSS)", resident as usize),
    ];
    for (owner, bytes) in owners {
        println!("| {owner} | {:.1} |", each(bytes));
        report["bytes_a_person"][owner.replace(['*', '`'], "")] = each(bytes).into();
    }
    println!("\n| adding a person, CPU µs | |\n|---|---|");
    let times = [
        ("mean", mean),
        ("p50", percentile(&adds, 0.5)),
        ("p99", percentile(&adds, 0.99)),
        ("p99.99", percentile(&adds, 0.9999)),
        ("longest", percentile(&adds, 1.0)),
    ];
    for (name, micros) in times {
        println!("| {name} | {micros:.1} |");
        report["add_cpu_us"][name] = micros.into();
    }
    (index, known)
}

/// Writes a record about as its owner does.
fn render(out: &mut Vec<u8>, record: Record<'_>) {
    out.extend_from_slice(b"{\"id\":\"");
    out.extend_from_slice(record.id.hyphenated().encode_lower(&mut Uuid::encode_buffer()).as_bytes());
    for text in record.texts() {
        out.extend_from_slice(b"\",\"");
        out.extend_from_slice(text.as_bytes());
    }
    out.extend_from_slice(b"\"}");
}

fn look_ups(index: &Index, known: &Known) -> Value {
    const ROUNDS: usize = 20;
    let mut out = Vec::new();
    let now = Now::get();
    for _ in 0..ROUNDS {
        for id in &known.ids {
            out.clear();
            if let Some(record) = index.get(*id) {
                render(&mut out, record);
            }
            black_box(&out);
        }
    }
    let nanos = now.passed().cpu * 1e3 / (ROUNDS * known.ids.len()) as f64;
    println!("\nA lookup by id with its body: {nanos:.0} ns of CPU.\n");
    json!({ "cpu_ns": nanos })
}

/// A kind of terms with how one is made.
type Kind = (&'static str, fn(&mut Source, &Known, usize) -> String);

const KINDS: [Kind; 12] = [
    ("the contest's: 1 to 50 letters and blanks", |source, _, _| source.term()),
    ("1 letter", |source, _, _| source.term_of(1)),
    ("2 letters", |source, _, _| source.term_of(2)),
    ("3 letters", |source, _, _| source.term_of(3)),
    ("4 letters", |source, _, _| source.term_of(4)),
    ("3 letters of languages", |_, _, number| ["ava", "ell", "ipt", "lar", "pyt", "ust"][number % 6].into()),
    ("a language", |_, _, number| LANGUAGES[number % LANGUAGES.len()].into()),
    ("a nickname", |source, known, _| source.pick(&known.nicks).to_owned()),
    ("two languages in one, which nobody has", |_, _, number| {
        format!("{}{}", LANGUAGES[number % 25].to_lowercase(), LANGUAGES[number / 25 % 25])
    }),
    ("1 or 2 bytes that few or none have", |_, _, number| {
        ["é", "%", "+", "#", "c#", "f#", "++", "zé"][number % 8].into()
    }),
    ("400 letters", |source, _, _| source.term_of(400)),
    ("8,000 letters", |source, _, _| source.term_of(8_000)),
];

fn searches(index: &Index, known: &Known, options: &Options) -> Vec<Value> {
    println!(
        "| term | found | µs of a search: p50 | p99 | longest | CPU p99 | slices, most | longest slice, µs | its CPU |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let mut source = Source::new(options.seed + 1);
    KINDS
        .iter()
        .map(|(name, term)| {
            let terms = (0..options.searches).map(|number| term(&mut source, known, number));
            measure_kind(index, name, terms)
        })
        .chain([nasty(index, options)])
        .collect()
}

/// Every name has the term's only trigram and none has the term: the longest search that there is.
fn nasty(index: &Index, options: &Options) -> Value {
    let mut other = Index::new(usize::MAX);
    for number in 0..options.people.min(u32::try_from(index.len()).unwrap_or(u32::MAX)) {
        let nick = format!("k{number}");
        let _ = other.add(Uuid::from_u128(number.into()), 0, [nick.as_str(), "Ana Aaa da Silva"].into_iter());
    }
    measure_kind(
        &other,
        "`aaaa` where every name has `aaa` and none `aaaa`",
        std::iter::repeat_n("aaaa".to_owned(), 20),
    )
}

fn measure_kind(index: &Index, name: &str, terms: impl Iterator<Item = String>) -> Value {
    let (mut wall, mut cpu, mut slice_wall, mut slice_cpu) = (vec![], vec![], 0_f64, 0_f64);
    let (mut most_slices, mut found) = (0, 0);
    let mut out = Vec::new();
    for term in terms {
        out.clear();
        let began = Now::get();
        let mut slices = 0;
        let mut begun = None;
        loop {
            let slice = Now::get();
            let search = begun.get_or_insert_with(|| index.search(&term));
            let done = index.advance(search)
                && index.write_found(search, &mut out, |out, record| {
                    found += 1;
                    render(out, record);
                });
            let passed = slice.passed();
            slices += 1;
            slice_wall = slice_wall.max(passed.wall);
            slice_cpu = slice_cpu.max(passed.cpu);
            if done {
                break;
            }
        }
        let passed = began.passed();
        wall.push(passed.wall);
        cpu.push(passed.cpu);
        most_slices = most_slices.max(slices);
    }
    wall.sort_by(f64::total_cmp);
    cpu.sort_by(f64::total_cmp);
    let mean_found = found as f64 / wall.len() as f64;
    let [p50, p99, longest] = [0.5, 0.99, 1.0].map(|part| percentile(&wall, part));
    let cpu_p99 = percentile(&cpu, 0.99);
    println!(
        "| {name} | {mean_found:.1} | {p50:.1} | {p99:.1} | {longest:.1} | {cpu_p99:.1} | {most_slices} | {slice_wall:.1} | {slice_cpu:.1} |"
    );
    json!({
        "term": name, "found": mean_found, "searches": wall.len(), "slices": most_slices,
        "wall_us": { "p50": p50, "p99": p99, "longest": longest },
        "cpu_us": { "p50": percentile(&cpu, 0.5), "p99": cpu_p99, "longest": percentile(&cpu, 1.0) },
        "longest_slice_us": { "wall": slice_wall, "cpu": slice_cpu },
    })
}

fn compare_encodings(index: &Index) -> Value {
    let (count, lines) = encodings::compare(index);
    let people = index.len() as f64;
    println!("\n{count} postings, {:.1} a person\n", count as f64 / people);
    println!("| encoding | bytes a person | bits a posting | reading one, CPU ns |\n|---|---|---|---|");
    for line in &lines {
        let (each, bits) = (line.bytes as f64 / people, 8.0 * line.bytes as f64 / count as f64);
        println!("| {} | {each:.1} | {bits:.2} | {:.2} |", line.name, line.nanos_a_posting);
    }
    let lines = lines.iter().map(|line| {
        json!({ "encoding": line.name, "bytes": line.bytes, "cpu_ns_a_posting": line.nanos_a_posting })
    });
    lines.collect::<Vec<_>>().into()
}
