//! Servers that are wrong on purpose, each in one way.

use pouco_lab::oracle::Excluded;

use crate::reference::{Fault, start};
use crate::{failures, impatient_pass, pass};

#[test]
fn a_server_that_keeps_every_rule_passes() {
    let address = start(Fault::None);
    for seed in [1, 2] {
        let pass = pass(&address, seed);
        assert_eq!(failures(&pass), [""; 0], "{:#?}", pass.conformance.failures);
        assert!(pass.warnings.is_empty(), "{:#?}", pass.warnings);
        assert!(pass.conformance.total >= 60 && pass.conformance.passed == pass.conformance.total);
    }
}

#[test]
fn what_the_rules_leave_open_is_nobodys_failure() {
    for fault in [Fault::EmptyTermRefused, Fault::LocationWithHost] {
        let pass = impatient_pass(&start(fault), 1);
        assert_eq!(failures(&pass), [""; 0], "{fault:?}: {:#?}", pass.conformance.failures);
    }
}

#[test]
fn a_recommendation_that_is_missed_is_a_warning() {
    for (fault, rule) in [
        (Fault::CaseMattersBeyondAscii, "A search does not ask for the case of letters beyond ASCII either"),
        (Fault::SearchesOverFieldBorders, "A term that matches only across two fields matches nobody"),
        (Fault::ClosesConnections, "A connection is kept for further requests"),
    ] {
        let pass = impatient_pass(&start(fault), 1);
        assert_eq!(failures(&pass), [""; 0], "{fault:?}: {:#?}", pass.conformance.failures);
        let warned: Vec<&str> = pass.warnings.iter().map(|warning| warning.rule.as_str()).collect();
        assert_eq!(warned, [rule], "{fault:?}");
        assert_eq!(pass.conformance.passed, pass.conformance.total);
    }
}

/// Each fault with all the rules that it breaks.
const BROKEN: &[(Fault, &[&str])] = &[
    (Fault::LengthsInBytes, &["Lengths count characters and not bytes", "The longest texts come back whole"]),
    (
        Fault::DuplicatesAcknowledged,
        &[
            "An apelido that is taken is a 422, whichever replica is asked",
            "The count is that of the people who were created, on every replica",
        ],
    ),
    (Fault::DuplicatesStored, &["An apelido that is taken is a 422, whichever replica is asked"]),
    (
        Fault::TypesAre422,
        &[
            "An apelido that is a number is a 400",
            "A nome that is a number is a 400",
            "A stack with a number in it is a 400",
        ],
    ),
    (
        Fault::TypesAreConverted,
        &[
            "An apelido that is a number is a 400",
            "A nome that is a number is a 400",
            "A stack with a number in it is a 400",
        ],
    ),
    (
        Fault::NullIsMissingText,
        &["No nome is a 422", "A nome that is null is a 422", "A refused creation does not take its apelido"],
    ),
    (Fault::RefusedTakesNick, &["A refused creation does not take its apelido"]),
    (
        Fault::AnyDate,
        &[
            "A leap day of a year that has none is a 422",
            "The leap day of 1900 is a 422",
            "The 31st of April is a 422",
            "A month 13 is a 422",
            "A year of two digits is a 422",
            "A month and a day of one digit are a 422",
            "The day first is a 422",
            "A date with a time is a 422",
            "JSON text inside a string is no date: a 422",
            "An empty date is a 422",
        ],
    ),
    (
        Fault::DateWithTime,
        &[
            "A person is found at once, whichever replica is asked",
            "Text of any language comes back as it was sent, the stack in its order",
            "JSON with blanks and escapes is read as what it says",
            "A date comes back as it was sent, in the same form",
            "A search finds a part of the apelido, and gives the whole person",
        ],
    ),
    (Fault::StackSorted, &["Text of any language comes back as it was sent, the stack in its order"]),
    (Fault::EmptyStackBecomesNull, &["A stack that is empty comes back empty"]),
    (Fault::UnknownIdIsEmpty, &["An unknown id is a 404", "What is no id is refused"]),
    (
        Fault::OneReplicaLacksPeople,
        &[
            "A person is found at once, whichever replica is asked",
            "Text of any language comes back as it was sent, the stack in its order",
            "JSON with blanks and escapes is read as what it says",
            "A stack that is null comes back as null",
            "A stack that was absent comes back as null",
            "A stack that is empty comes back empty",
            "The longest texts come back whole",
            "A date comes back as it was sent, in the same form",
            "After a deep field the server answers as before",
        ],
    ),
    (
        Fault::NoTermFindsAll,
        &["A search without a term is a 400", "A search with another parameter and without a term is a 400"],
    ),
    (Fault::CaseMattersInSearches, &["A search does not ask for upper or lower case"]),
    (Fault::PercentIsAWildcard, &["A percent sign in a term is a percent sign"]),
    (Fault::UnderscoreIsAWildcard, &["An underscore in a term matches no other letter"]),
    (Fault::SearchesGiveAll, &["A search gives fifty people where sixty match"]),
    (
        Fault::SearchesGiveStrangers,
        &[
            "A search finds a part of the nome",
            "A search finds a part of an element of the stack",
            "A search does not ask for upper or lower case",
            "A term is percent-encoded UTF-8",
            "A percent sign in a term is a percent sign",
            "An underscore in a term is an underscore",
            "An underscore in a term matches no other letter",
            "A backslash in a term is a backslash",
            "A quote in a term is a quote",
        ],
    ),
    (Fault::CountIsStale, &["The count is that of the people who were created, on every replica"]),
    (
        Fault::CountIsJson,
        &[
            "The count is a plain number",
            "The count is that of the people who were created, on every replica",
        ],
    ),
    (
        Fault::DeepFieldsAreErrors,
        &["A field that nobody asked for is no error of the server, however deep it is"],
    ),
];

#[test]
fn a_server_fails_the_rules_that_it_breaks_and_no_other() {
    for (fault, rules) in BROKEN {
        let pass = impatient_pass(&start(*fault), 1);
        assert_eq!(failures(&pass), *rules, "{fault:?}: {:#?}", pass.conformance.failures);
        assert_eq!(pass.conformance.passed as usize, pass.conformance.total as usize - rules.len());
    }
}

/// Writing later is allowed; what is acknowledged must be seen some seconds later.
#[test]
fn searches_and_the_count_may_lag() {
    let late = pass(&start(Fault::SearchesAndCountLag), 1);
    assert_eq!(failures(&late), [""; 0], "{:#?}", late.conformance.failures);
    let impatient = impatient_pass(&start(Fault::SearchesAndCountLag), 1);
    assert!(
        failures(&impatient).contains(&"The count is that of the people who were created, on every replica")
    );
}

#[test]
fn a_dead_server_fails_all_that_is_left_without_a_long_wait() {
    let pass = impatient_pass(&start(Fault::DiesOfDeepFields), 1);
    let failures = &pass.conformance.failures;
    assert!(failures[0].rule.contains("however deep"), "{}", failures[0].rule);
    assert!(failures[0].detail.contains("without an answer"), "{}", failures[0].detail);
    assert!(failures.len() > 20, "{}", failures.len());
    assert!(failures.last().unwrap().detail.contains("not tried"), "{failures:#?}");
    assert!(pass.warnings.is_empty());
    assert_eq!(pass.conformance.passed as usize + failures.len(), pass.conformance.total as usize);
}

#[test]
fn a_server_that_says_not_where_people_are_fails_what_needs_it() {
    let pass = impatient_pass(&start(Fault::NoLocation), 1);
    let failures = &pass.conformance.failures;
    assert!(failures.len() > 10 && failures[0].detail.contains("no header location"), "{failures:#?}");
    for failure in failures {
        let said = ["no header location", "has no value"];
        assert!(said.iter().any(|said| failure.detail.contains(said)), "{failure:?}");
    }
}

#[test]
fn what_a_pass_may_have_stored_is_known() {
    let address = start(Fault::None);
    let pass = pass(&address, 77);
    let excluded = Excluded::new(&pass.unique, pass.sent.iter().map(Vec::as_slice));
    assert!(excluded.contains("") && excluded.contains("1"), "an empty one and a number");
    assert!(excluded.contains(&format!("{}m60", pass.unique)));
    assert!(!excluded.contains("ana"));
}
