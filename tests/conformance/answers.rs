//! What every answer carries, and what it must not (RFC 9110 sections 5.6.7, 6.6.1, 8.3, 8.6 and 15).

use crate::case::{Case, get, kept, post, refused};
use crate::client::Answer;

fn has_a_date(answer: &Answer) {
    let date = answer.header("date").expect("a Date field");
    let parsed = httpdate::parse_http_date(date).unwrap();
    // Only the IMF-fixdate is written again as it was read.
    assert_eq!(httpdate::fmt_http_date(parsed), date);
    let age = std::time::SystemTime::now().duration_since(parsed).unwrap_or_default();
    assert!(age.as_secs() < 60, "{date}");
}

fn has_no_content(answer: &Answer) {
    assert_eq!(answer.header("content-length"), None);
    assert_eq!(answer.header("transfer-encoding"), None);
    assert_eq!(answer.header("content-type"), None);
}

fn is_json(answer: &Answer) {
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert!(answer.json()["error"].is_string());
}

fn refusal_as_json(status: u16, bytes: &str) -> Case {
    refused(status, bytes).check(is_json)
}

/// A body that is echoed, framed by its length. (The client takes one blank behind a field's colon, and no
/// more.)
fn length(bytes: usize) -> Case {
    kept(&[200], post(&format!("Content-Length: {bytes}\r\n"), &"a".repeat(bytes))).check(|answer| {
        assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()));
        assert!(answer.body.iter().all(|byte| *byte == b'a'));
    })
}

cases! {
    rfc9110_6_6_1_a_date_in_200 ["COMP-DATE-HEADER"] kept(&[200], get("")).check(has_a_date);
    rfc9110_5_6_7_the_date_is_an_imf_fixdate ["COMP-DATE-FORMAT"] kept(&[200], get("")).check(has_a_date);
    rfc9110_6_6_1_a_date_in_204 [] kept(&[204], "GET /empty HTTP/1.1\r\nHost: a\r\n\r\n").check(has_a_date);
    rfc9110_6_6_1_a_date_in_404 [] kept(&[404], "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n").check(has_a_date);
    rfc9110_6_6_1_a_date_in_400 [] refused(400, "GET / HTTP/1.1\r\n\r\n").check(has_a_date);
    rfc9110_6_6_1_a_date_in_501 [] refused(501, "BREW / HTTP/1.1\r\nHost: a\r\n\r\n").check(has_a_date);
    rfc9110_8_3_a_content_type ["COMP-CONTENT-TYPE"] kept(&[200], get(""))
        .check(|answer| assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8")));
    rfc9110_8_6_the_length_of_the_content [] kept(&[200], get(""))
        .check(|answer| assert_eq!(answer.header("content-length"), Some("4")));
    rfc9110_5_6_3_one_blank_before_a_length_of_one_digit [] length(1);
    rfc9110_5_6_3_one_blank_before_a_length_of_two_digits [] length(99);
    rfc9110_5_6_3_one_blank_before_a_length_of_three_digits [] length(100);
    rfc9110_5_6_3_one_blank_before_a_length_of_four_digits [] length(1_000);
    rfc9110_5_6_3_one_blank_before_a_length_of_five_digits [] length(10_000);
    rfc9110_8_6_no_length_in_204 ["COMP-NO-CL-IN-204"]
        kept(&[204], "OPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n").check(has_no_content);
    rfc9110_8_6_no_length_in_the_204_of_a_handler []
        kept(&[204], "GET /empty HTTP/1.1\r\nHost: a\r\n\r\n").check(has_no_content);
    rfc9110_8_6_no_length_in_100 []
        kept(&[100], post("Content-Length: 1\r\nExpect: 100-continue\r\n", "")).check(has_no_content)
            .then(&[200], "a");
    rfc9110_15_5_1_a_refusal_is_json [] refusal_as_json(400, "GET / HTTP/1.1\r\n\r\n");
    rfc9110_15_6_2_an_unknown_method_is_told_in_json []
        refusal_as_json(501, "BREW / HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc9110_15_6_6_a_version_is_told_in_json [] refusal_as_json(505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n");
    rfc9112_4_the_answer_to_http_1_0_is_our_version []
        kept(&[200], "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").check(has_a_date);
}
