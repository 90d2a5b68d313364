//! From a correct outcome, one defect at a time: each must be seen as itself, and as nothing else.

use std::ops::RangeInclusive;

use super::*;
use crate::oracle::sent::{Creation, id_of, id_of_location};

/// A load, the answers to it, and the rows that it left.
#[derive(Clone)]
struct Outcome {
    payloads: Lines,
    creations: Vec<Creation>,
    rows: Vec<Row>,
}

#[derive(Debug, Default, PartialEq)]
struct Figures {
    lost: u64,
    acknowledged_twice: u64,
    duplicated: u64,
    altered: u64,
    foreign: u64,
    wrongly_refused: u64,
}

fn payload(nick: &str, random: &mut fastrand::Rng) -> String {
    let stack = match random.u8(..4) {
        0 => ",\"stack\":null",
        1 => "",
        2 => ",\"stack\":[]",
        _ => ",\"stack\":[\"Go\",\"C\"]",
    };
    // About as many as in the contest are no date.
    let (month, day) = (random.u8(1..=13), random.u8(1..=28));
    format!(
        r#"{{"apelido":"{nick}","nome":"Nome {}","nascimento":"1985-{month:02}-{day:02}"{stack}}}"#,
        random.u32(..)
    )
}

fn row_of(person: &Person, id: u128) -> Row {
    Row {
        id: format!("{id:032x}"),
        apelido: person.apelido.clone(),
        nome: person.nome.clone(),
        nascimento: person.nascimento.clone(),
        stack: person.stack.clone(),
    }
}

/// What an honest server makes of `sent` creations from `lines` payloads with some nicks in common.
fn honest(seed: u64, lines: u32, sent: u64) -> Outcome {
    let mut random = fastrand::Rng::with_seed(seed);
    let texts: Vec<String> =
        (0..lines).map(|_| payload(&format!("n{}", random.u32(..lines)), &mut random)).collect();
    let payloads: Lines = texts.iter().map(String::as_bytes).collect();
    let (mut creations, mut rows, mut nicks) = (Vec::new(), Vec::<Row>::new(), HashSet::new());
    for number in 0..sent {
        let person = valid_person(payloads.get(number));
        let free = person.filter(|person| nicks.insert(person.apelido.clone()));
        let (status, id) = match free {
            Some(person) => {
                let id = random.u128(..);
                rows.push(row_of(&person, id));
                (201, Some(id))
            }
            None => (422, None),
        };
        creations.push(Creation { payload: number, status, id });
    }
    // Nobody promises an order.
    random.shuffle(&mut rows);
    random.shuffle(&mut creations);
    Outcome { payloads, creations, rows }
}

impl Outcome {
    fn stored(&self, counted: bool, excluded: &Excluded) -> Stored {
        let of = |pick: fn(u16) -> bool| self.creations.iter().filter(|one| pick(one.status)).count() as u64;
        let numbers = Creations::Counted {
            sent: self.creations.len() as u64,
            acknowledged: of(|status| status == 201),
            failed: of(|status| status != 201 && !(400..500).contains(&status)),
        };
        let creations = if counted { numbers } else { Creations::Each(self.creations.clone()) };
        let rows = self.rows.iter().cloned().map(Ok);
        judge(&creations, &self.payloads, rows, excluded, &[], None).unwrap()
    }

    fn figures(&self, counted: bool) -> Figures {
        let stored = self.stored(counted, &Excluded::default());
        Figures {
            lost: stored.lost,
            acknowledged_twice: stored.acknowledged_twice,
            duplicated: stored.duplicated,
            altered: stored.altered,
            foreign: stored.foreign,
            wrongly_refused: stored.wrongly_refused,
        }
    }

    /// Both kinds of knowledge see the same.
    fn assert(&self, expected: &Figures) {
        for counted in [false, true] {
            assert_eq!(self.figures(counted), *expected, "counted: {counted}");
        }
    }

    fn creation_of(&mut self, row: usize) -> &mut Creation {
        let id = id_of(&self.rows[row].id);
        self.creations.iter_mut().find(|creation| creation.id == id).unwrap()
    }

    fn a_refused_duplicate(&mut self) -> &mut Creation {
        let payloads = self.payloads.clone();
        let refused =
            |one: &&mut Creation| one.status == 422 && valid_person(payloads.get(one.payload)).is_some();
        self.creations.iter_mut().find(refused).unwrap()
    }
}

/// Each defect in outcomes of several loads, and of one whose file was too short.
fn for_each_outcome(check: impl Fn(Outcome)) {
    for seed in 0..20 {
        check(honest(seed, 100, 80));
        check(honest(seed, 50, 125));
    }
}

fn one(figures: impl Fn(&mut Figures)) -> Figures {
    let mut expected = Figures::default();
    figures(&mut expected);
    expected
}

#[test]
fn an_honest_outcome_is_exact() {
    for_each_outcome(|outcome| {
        outcome.assert(&Figures::default());
        for counted in [false, true] {
            let stored = outcome.stored(counted, &Excluded::default());
            assert!(stored.exact(), "{stored:?}");
            let rows = outcome.rows.len() as u64;
            assert_eq!((stored.expected_low, stored.expected_high, stored.rows), (rows, rows, rows));
            assert_eq!((stored.sent, stored.acknowledged), (outcome.creations.len() as u64, rows));
            assert!(stored.examples.is_empty());
        }
    });
}

#[test]
fn an_acknowledged_row_that_is_absent_is_lost() {
    for_each_outcome(|mut outcome| {
        let row = outcome.rows.pop().unwrap();
        outcome.assert(&one(|figures| figures.lost = 1));
        let stored = outcome.stored(false, &Excluded::default());
        assert!(!stored.exact());
        assert_eq!(stored.examples.len(), 1);
        assert!(stored.examples[0].contains(&row.apelido), "{:?}", stored.examples);
    });
}

#[test]
fn a_changed_field_is_altered() {
    let changes: [fn(&mut Row); 4] = [
        |row| row.nome.push('x'),
        |row| row.nascimento = "1984-12-31".to_owned(),
        |row| row.stack = Some(vec!["C".to_owned(), "Go".to_owned()]),
        |row| row.stack = if row.stack.is_none() { Some(vec![]) } else { None },
    ];
    for change in changes {
        for_each_outcome(|mut outcome| {
            change(&mut outcome.rows[0]);
            outcome.assert(&one(|figures| figures.altered = 1));
            assert!(!outcome.stored(false, &Excluded::default()).exact());
        });
    }
}

/// With ids the row is known by its id; without them the nick is all there is.
#[test]
fn a_changed_nick_is_altered_or_lost_and_foreign() {
    for_each_outcome(|mut outcome| {
        outcome.rows[0].apelido.push_str("-changed");
        assert_eq!(outcome.figures(false), one(|figures| figures.altered = 1));
        assert_eq!(outcome.figures(true), one(|figures| (figures.lost, figures.foreign) = (1, 1)));
    });
}

#[test]
fn a_second_row_of_a_nick_is_duplicated() {
    for_each_outcome(|mut outcome| {
        let mut again = outcome.rows[0].clone();
        again.id = format!("{:032x}", 7);
        outcome.rows.push(again);
        outcome.assert(&one(|figures| figures.duplicated = 1));
        assert!(!outcome.stored(true, &Excluded::default()).exact());
    });
}

#[test]
fn a_row_that_nobody_sent_is_foreign() {
    for_each_outcome(|mut outcome| {
        let mut stranger = outcome.rows[0].clone();
        (stranger.id, stranger.apelido) = (format!("{:032x}", 7), "stranger".to_owned());
        outcome.rows.push(stranger);
        outcome.assert(&one(|figures| figures.foreign = 1));
        assert!(!outcome.stored(false, &Excluded::default()).exact());
    });
}

#[test]
fn a_row_of_a_payload_that_breaks_a_rule_is_foreign_though_it_was_acknowledged() {
    let mut outcome = honest(1, 50, 40);
    let text = br#"{"apelido":"long","nome":"a","nascimento":"2000-02-30"}"#;
    let lines: Vec<&[u8]> = (0..40).map(|number| outcome.payloads.get(number)).chain([&text[..]]).collect();
    outcome.payloads = lines.into_iter().collect();
    outcome.creations.push(Creation { payload: 40, status: 201, id: Some(7) });
    assert_eq!(outcome.figures(false), one(|figures| figures.lost = 1));
    let mut row = outcome.rows[0].clone();
    (row.id, row.apelido) = (format!("{:032x}", 7), "long".to_owned());
    outcome.rows.push(row);
    assert_eq!(outcome.figures(false), one(|figures| figures.foreign = 1));
    let stored = outcome.stored(false, &Excluded::default());
    assert!(stored.examples[0].contains("breaks a rule"), "{:?}", stored.examples);
    assert!(!stored.exact());
}

#[test]
fn a_second_201_for_a_nick_is_lost_and_acknowledged_twice() {
    for_each_outcome(|mut outcome| {
        let again = outcome.a_refused_duplicate();
        (again.status, again.id) = (201, Some(7));
        outcome.assert(&one(|figures| (figures.lost, figures.acknowledged_twice) = (1, 1)));
        // A server that says where the first one is has promised a second one all the same.
        let first = id_of(&outcome.rows[0].id);
        let nick = outcome.rows[0].apelido.clone();
        let payloads = outcome.payloads.clone();
        let is_his = |one: &Creation| {
            valid_person(payloads.get(one.payload)).is_some_and(|person| person.apelido == nick)
        };
        if let Some(second) = outcome.creations.iter_mut().find(|one| one.status == 422 && is_his(one)) {
            (second.status, second.id) = (201, first);
            outcome.assert(&one(|figures| (figures.lost, figures.acknowledged_twice) = (2, 2)));
        }
    });
}

/// The first of two 201 is stored nowhere, the second one is: what a cache that forgot a nick does.
#[test]
fn a_201_whose_nick_is_stored_under_another_id_is_lost() {
    for_each_outcome(|mut outcome| {
        outcome.creation_of(0).id = Some(7);
        assert_eq!(outcome.figures(false), one(|figures| figures.lost = 1));
    });
}

#[test]
fn a_201_without_an_id_is_looked_for_by_its_nick() {
    for_each_outcome(|mut outcome| {
        outcome.creation_of(0).id = None;
        outcome.assert(&Figures::default());
        outcome.creation_of(1).id = None;
        outcome.rows.remove(0);
        outcome.assert(&one(|figures| figures.lost = 1));
    });
}

#[test]
fn a_free_nick_that_was_refused_is_wrongly_refused() {
    for_each_outcome(|mut outcome| {
        let creation = outcome.creation_of(0);
        (creation.status, creation.id) = (400, None);
        outcome.rows.remove(0);
        outcome.assert(&one(|figures| figures.wrongly_refused = 1));
        assert!(!outcome.stored(false, &Excluded::default()).exact());
    });
}

#[test]
fn a_creation_without_an_answer_may_be_stored_or_not() {
    for status in [0, 500, 503] {
        for_each_outcome(|mut outcome| {
            let creation = outcome.creation_of(0);
            (creation.status, creation.id) = (status, None);
            let check = |outcome: &Outcome, rows: RangeInclusive<u64>| {
                outcome.assert(&Figures::default());
                for counted in [false, true] {
                    let stored = outcome.stored(counted, &Excluded::default());
                    assert!(stored.exact(), "{stored:?}");
                    assert_eq!(stored.expected_low..=stored.expected_high, rows);
                }
            };
            let rows = outcome.rows.len() as u64;
            check(&outcome, rows - 1..=rows);
            outcome.rows.remove(0);
            check(&outcome, rows - 1..=rows);
        });
    }
}

#[test]
fn what_the_conformance_pass_left_is_left_out() {
    let mut outcome = honest(3, 100, 100);
    let bodies = [&br#"{"apelido":"","nome":1}"#[..], br#"{"apelido":5}"#];
    let excluded = Excluded::new("lab-abc", bodies);
    for (id, nick) in ["", "5", "lab-abcX"].into_iter().enumerate() {
        let mut row = outcome.rows[0].clone();
        (row.id, row.apelido) = (format!("{id:032x}"), nick.to_owned());
        outcome.rows.push(row);
    }
    for counted in [false, true] {
        assert!(outcome.stored(counted, &excluded).exact());
        assert_eq!(outcome.stored(counted, &Excluded::default()).foreign, 3);
    }
    let rows = outcome.rows.iter().cloned().map(Ok);
    let all = outcome.rows.len() as u64;
    let creations = Creations::Each(outcome.creations.clone());
    let stored = judge(&creations, &outcome.payloads, rows, &excluded, &[], Some(all)).unwrap();
    assert_eq!((stored.counted, stored.rows), (Some(all - 3), all - 3));
}

/// A second load, all of whose nicks an earlier one has stored, and the rows of both.
fn again(outcome: &Outcome, rows: &[Row]) -> Stored {
    let rows = rows.iter().cloned().map(Ok);
    let creations = Creations::Each(outcome.creations.clone());
    let none = Excluded::default();
    judge(&creations, &outcome.payloads, rows, &none, &outcome.rows, None).unwrap()
}

#[test]
fn a_201_for_a_nick_of_an_earlier_load_is_lost_and_acknowledged_twice() {
    for_each_outcome(|outcome| {
        let mut second = outcome.clone();
        for creation in &mut second.creations {
            (creation.status, creation.id) = (422, None);
        }
        let stored = again(&second, &outcome.rows);
        assert!(stored.exact(), "{stored:?}");
        assert_eq!((stored.rows, stored.expected_low, stored.expected_high), (0, 0, 0));
        // With an id that is stored nowhere, with that of the earlier row, and with none.
        for id in [Some(7), id_of(&outcome.rows[0].id), None] {
            let mut liar = second.clone();
            let is_first = |one: &&mut Creation| {
                valid_person(outcome.payloads.get(one.payload))
                    .is_some_and(|person| person.apelido == outcome.rows[0].apelido)
            };
            let creation = liar.creations.iter_mut().find(is_first).unwrap();
            (creation.status, creation.id) = (201, id);
            let stored = again(&liar, &outcome.rows);
            assert_eq!((stored.acknowledged, stored.lost, stored.acknowledged_twice), (1, 1, 1), "{id:?}");
            assert_eq!(
                (stored.foreign, stored.altered, stored.duplicated, stored.expected_high),
                (0, 0, 0, 0)
            );
            assert!(stored.examples[0].contains("acknowledged again"), "{:?}", stored.examples);
        }
        // Stored a second time beside the earlier row; and in its place, after the kill has lost that one.
        let mut kept = second.clone();
        let creation = kept.creations.iter_mut().find(|one| {
            valid_person(outcome.payloads.get(one.payload))
                .is_some_and(|person| person.apelido == outcome.rows[0].apelido)
        });
        let creation = creation.unwrap();
        (creation.status, creation.id) = (201, Some(7));
        let mut rows = outcome.rows.clone();
        rows.push(Row { id: format!("{:032x}", 7), ..rows[0].clone() });
        let stored = again(&kept, &rows);
        assert_eq!((stored.lost, stored.duplicated, stored.foreign, stored.altered), (0, 1, 0, 0));
        let stored = again(&kept, &rows[1..]);
        assert_eq!((stored.lost, stored.duplicated, stored.foreign, stored.altered), (0, 0, 0, 0));
    });
}

#[test]
fn rows_of_an_earlier_load_are_neither_foreign_nor_expected() {
    for_each_outcome(|outcome| {
        let earlier: Vec<Row> = (0..9_u128)
            .map(|number| Row {
                id: format!("{number:032x}"),
                apelido: format!("earlier{number}"),
                ..outcome.rows[0].clone()
            })
            .collect();
        let mut rows = outcome.rows.clone();
        rows.extend(earlier.iter().skip(1).cloned());
        // Altered, its nick too: not this load's doing.
        rows.last_mut().unwrap().apelido.push('x');
        for creations in [
            Creations::Each(outcome.creations.clone()),
            Creations::Counted {
                sent: outcome.creations.len() as u64,
                acknowledged: outcome.rows.len() as u64,
                failed: 0,
            },
        ] {
            let none = Excluded::default();
            let rows = rows.iter().cloned().map(Ok);
            let stored = judge(&creations, &outcome.payloads, rows, &none, &earlier, None).unwrap();
            assert!(stored.exact(), "{stored:?}");
            assert_eq!(stored.expected_high, outcome.rows.len() as u64);
        }
    });
}

#[test]
fn a_row_that_cannot_be_read_is_an_error() {
    let outcome = honest(4, 10, 10);
    let creations = Creations::Each(outcome.creations.clone());
    let rows = [Err(anyhow::anyhow!("gone"))].into_iter();
    assert!(judge(&creations, &outcome.payloads, rows, &Excluded::default(), &[], None).is_err());
}

#[test]
fn examples_are_few_and_of_every_kind() {
    let mut outcome = honest(5, 400, 400);
    outcome.rows.drain(..50);
    for row in &mut outcome.rows[..50] {
        row.nome.push('!');
    }
    for number in 0..50 {
        let mut stranger = outcome.rows[100].clone();
        (stranger.id, stranger.apelido) = (format!("{number:032x}"), format!("stranger{number}"));
        outcome.rows.push(stranger);
    }
    for counted in [false, true] {
        let examples = outcome.stored(counted, &Excluded::default()).examples;
        assert!(examples.len() <= 10, "{examples:#?}");
        for said in ["not stored", "nome was sent as", "nobody sent it"] {
            assert!(examples.iter().any(|example| example.contains(said)), "{said}: {examples:#?}");
        }
    }
}

#[test]
fn an_id_is_the_last_segment_of_a_location() {
    let id = Some(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
    for location in [
        "/pessoas/01234567-89ab-cdef-0123-456789abcdef",
        "http://localhost:9999/pessoas/01234567-89AB-CDEF-0123-456789ABCDEF",
        "/pessoas/0123456789abcdef0123456789abcdef",
    ] {
        assert_eq!(id_of_location(location), id, "{location}");
    }
    for location in [
        "",
        "/pessoas/",
        "/pessoas/7",
        "/pessoas/01234567-89ab-cdef-0123-456789abcde",
        "/pessoas/01234567-89ab-cdef-0123-456789abcdef0",
        "/pessoas/0123456789ab-cdef-0123-456789abcdefg",
        "/pessoas/0-1234567-89ab-cdef-0123-456789abcdef",
    ] {
        assert_eq!(id_of_location(location), None, "{location}");
    }
}
