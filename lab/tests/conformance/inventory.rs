//! The rules of the contest `inventory`, against a server that keeps them and against each fault that they
//! must find.

use pouco_lab::conformance::Pass;

use crate::failures;
use crate::shop::{Fault, start};

fn pass(address: &str, seed: u64) -> Pass {
    crate::pass_of("inventory", address, seed)
}

#[test]
fn a_shop_that_keeps_every_rule_passes() {
    let address = start(Fault::None);
    // The second pass meets what the first one left.
    for seed in [1, 2] {
        let pass = pass(&address, seed);
        assert_eq!(failures(&pass), [""; 0], "{:#?}", pass.conformance.failures);
        let warned: Vec<&str> = pass.warnings.iter().map(|warning| warning.rule.as_str()).collect();
        let allowed = ["A 401 says which scheme is meant", "Money has two decimals"];
        assert!(warned.iter().all(|rule| allowed.contains(rule)), "{:#?}", pass.warnings);
        assert!(pass.conformance.total >= 120);
    }
}

/// Each fault with a rule that it breaks; it may break others that follow from it.
const BROKEN: &[(Fault, &str)] = &[
    (Fault::PartialOrders, "An order that was refused has taken nothing of its first line"),
    (Fault::RefusedOrdersStored, "An order that was refused is not stored, whichever replica is asked"),
    (Fault::NegativeQuantities, "A quantity below zero cannot be added"),
    (Fault::NegativeQuantities, "A quantity below zero cannot be ordered"),
    (Fault::ClientsPriceBelieved, "An order costs what the catalogue says, whatever the client says"),
    (Fault::TwoRowsOfStock, "A product has one row in the stock, whichever replica is asked"),
    (Fault::PagesWithoutOrder, "Pages are in the order of the ids, whatever was changed last"),
    (Fault::HistoryLost, "Its orders keep it, with its quantity and price, whichever replica is asked"),
    (
        Fault::LinesLoseTheirProduct,
        "Its orders keep it, with its quantity and price, whichever replica is asked",
    ),
    (Fault::MoneyInFloats, "Money is no binary fraction: three times 0.10 are 0.30"),
    (Fault::MoneyInFloats, "A price of three decimals is refused"),
    (
        Fault::DuplicateSkuIsAnError,
        "A SKU that is taken is a 409 and no error of the server, whichever replica is asked",
    ),
    (Fault::NoSlashAtTheEnd, "A product is found with a slash at the end"),
    (Fault::NoSlashAtTheEnd, "Stock is removed with a slash at the end"),
    (Fault::ContentTypeWantsABody, "GET with a content type and no body is an ordinary GET"),
    (
        Fault::ContentTypeWantsABody,
        "A product that was ordered can be deleted, with a content type and no body",
    ),
    (Fault::SubIsANumber, "The subject of a token is a string, as the standard says"),
    (Fault::AnySignature, "A token with another signature is refused"),
    (Fault::AnySignature, "A token without a signature is refused"),
    (Fault::NoSignatureNeeded, "A token that says that it needs no signature is refused"),
    (Fault::OrdersArePublic, "Another's order is a 403"),
    (Fault::OrdersArePublic, "Another's orders are not in the list, with and without a slash"),
    (Fault::EndlessPages, "A limit above 100 is refused"),
    (Fault::LongPasswordsAreCut, "A password of more than 72 bytes is refused, since bcrypt would cut it"),
    (Fault::Oversells, "Nothing can be ordered of what is sold out"),
    (Fault::OneReplicaIsOlder, "A product is found at once, whichever replica is asked"),
    (Fault::ArchivedSkuStaysTaken, "The SKU of what was deleted is free again"),
    (Fault::PriceOfToday, "An order costs what it did"),
];

#[test]
fn each_fault_is_found_by_its_rule() {
    for (fault, rule) in BROKEN {
        let pass = pass(&start(*fault), 1);
        assert!(failures(&pass).contains(rule), "{fault:?}: {:#?}", pass.conformance.failures);
    }
}
