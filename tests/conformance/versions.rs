//! The version of a request (RFC 9112 section 2.3, RFC 9110 section 2.5).

use crate::case::{get, kept, last, refused};

cases! {
    rfc9112_2_3_no_version_is_http_0_9 ["RFC9112-2.3-HTTP09-REQUEST"] refused(400, "GET /\r\n");
    rfc9112_2_3_version_9_9 ["RFC9112-2.3-INVALID-VERSION"] refused(505, "GET / HTTP/9.9\r\nHost: a\r\n\r\n");
    rfc9112_2_3_version_2_0 [] refused(505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n");
    rfc9112_2_3_version_0_9 [] refused(505, "GET / HTTP/0.9\r\nHost: a\r\n\r\n");
    rfc9112_2_3_no_minor_version ["COMP-VERSION-MISSING-MINOR"]
        refused(400, "GET / HTTP/1\r\nHost: a\r\n\r\n");
    rfc9112_2_3_no_minor_digit [] refused(400, "GET / HTTP/1.\r\nHost: a\r\n\r\n");
    rfc9112_2_3_two_minor_digits [] refused(400, "GET / HTTP/1.10\r\nHost: a\r\n\r\n");
    rfc9112_2_3_leading_zeros ["COMP-VERSION-LEADING-ZEROS"]
        refused(400, "GET / HTTP/01.01\r\nHost: a\r\n\r\n");
    rfc9112_2_3_a_blank_in_the_version ["COMP-VERSION-WHITESPACE"]
        refused(400, "GET / HTTP/ 1.1\r\nHost: a\r\n\r\n");
    rfc9112_2_3_lower_case ["COMP-VERSION-CASE"] refused(400, "GET / http/1.1\r\nHost: a\r\n\r\n");
    rfc9112_2_3_mixed_case [] refused(400, "GET / Http/1.1\r\nHost: a\r\n\r\n");
    rfc9112_2_3_another_protocol [] refused(400, "GET / HTTPS/1.1\r\nHost: a\r\n\r\n");
    rfc9112_2_3_a_letter_for_a_digit [] refused(400, "GET / HTTP/1.x\r\nHost: a\r\n\r\n");
    rfc9112_2_3_a_comma_for_the_point [] refused(400, "GET / HTTP/1,1\r\nHost: a\r\n\r\n");
    rfc9110_2_5_a_higher_minor_version_is_ours ["COMP-HTTP12-VERSION"]
        kept(&[200], "GET / HTTP/1.2\r\nHost: a\r\n\r\n");
    rfc9110_2_5_the_highest_minor_version_is_ours []
        kept(&[200], "POST / HTTP/1.9\r\nHost: a\r\nContent-Length: 2\r\n\r\nab")
            .check(|answer| assert_eq!(answer.text(), "ab"));
    rfc9110_2_5_a_higher_minor_version_needs_a_host [] refused(400, "GET / HTTP/1.2\r\n\r\n");
    rfc9110_2_5_a_higher_minor_version_in_parts []
        kept(&[], "GET / HTTP/1.3\r\nHo").then(&[200], "st: a\r\n\r\n");
    rfc9110_2_5_a_higher_minor_version_in_chunks []
        kept(&[200], "POST / HTTP/1.2\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n");
    rfc9110_2_5_pipelined_versions []
        kept(&[200, 200, 200], format!("{}GET / HTTP/1.4\r\nHost: a\r\n\r\n{}", get(""), get("")));
    rfc9112_9_3_http_1_0_ends_with_its_answer ["COMP-HTTP10-DEFAULT-CLOSE"]
        last(&[200], "GET / HTTP/1.0\r\nHost: a\r\n\r\n");
    rfc9112_3_2_http_1_0_needs_no_host ["COMP-HTTP10-NO-HOST"] last(&[200], "GET / HTTP/1.0\r\n\r\n");
    rfc9112_9_3_http_1_0_is_kept_on_demand []
        kept(&[200], "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            .check(|answer| assert_eq!(answer.header("connection"), Some("keep-alive")));
    rfc9112_9_3_http_1_0_that_says_both_ends []
        last(&[200], "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n");
    rfc9112_2_2_the_preface_of_http_2 ["MAL-H2-PREFACE"]
        refused(505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
}
