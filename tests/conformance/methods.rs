//! Methods and expectations (RFC 9110 sections 9 and 10.1.1).

use crate::case::{Case, SMUGGLED, kept, last, post, refused};

fn refused_method(status: u16, request_line: &str) -> Case {
    refused(status, format!("{request_line}\r\nHost: a\r\n\r\n"))
}

/// A request that asks first, and is answered for good at once. What it may yet send is no request.
fn unasked(status: u16, request_line: &str) -> Case {
    last(
        &[status],
        format!("{request_line} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"),
    )
}

cases! {
    rfc9110_9_3_2_head_has_no_body ["COMP-HEAD-NO-BODY"]
        kept(&[200], "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").method("HEAD")
            .check(|answer| assert_eq!((answer.header("content-length"), &answer.body[..]), (Some("4"), &b""[..])));
    rfc9110_9_3_2_head_has_the_fields_of_get []
        kept(&[200], "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").method("HEAD")
            .check(|answer| assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8")));
    rfc9110_9_3_2_head_of_nothing [] kept(&[404], "HEAD /nowhere HTTP/1.1\r\nHost: a\r\n\r\n").method("HEAD")
        .check(|answer| assert!(answer.body.is_empty()));
    rfc9110_9_3_2_pipelined_heads []
        kept(&[200, 200], "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2)).method("HEAD");
    rfc9110_9_3_7_options_lists_the_methods ["COMP-OPTIONS-ALLOW"]
        kept(&[204], "OPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n")
            .check(|answer| assert_eq!(answer.header("allow"), Some("GET, HEAD, POST, OPTIONS")));
    rfc9110_9_3_7_options_of_the_server [] kept(&[204], "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")
        .check(|answer| assert!(answer.header("allow").is_some()));
    rfc9110_9_3_7_options_of_nothing [] kept(&[404], "OPTIONS /nowhere HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc9110_15_5_6_a_known_method_that_is_not_allowed ["COMP-405-ALLOW"]
        kept(&[405], "DELETE / HTTP/1.1\r\nHost: a\r\n\r\n")
            .check(|answer| assert_eq!(answer.header("allow"), Some("GET, HEAD, POST, OPTIONS")));
    rfc9110_15_5_6_put_patch_and_delete [] kept(
        &[405, 405, 405],
        ["PUT", "PATCH", "DELETE"].map(|method| format!("{method} /alive HTTP/1.1\r\nHost: a\r\n\r\n")).concat(),
    );
    rfc9110_9_1_an_unknown_method ["COMP-UNKNOWN-METHOD"] refused_method(501, "BREW / HTTP/1.1");
    rfc9110_9_1_methods_have_case ["COMP-METHOD-CASE"] refused_method(501, "get / HTTP/1.1");
    rfc9110_9_1_a_method_that_begins_with_a_known_one [] refused_method(501, "GETS / HTTP/1.1");
    rfc9110_9_1_a_method_of_odd_characters [] refused_method(501, "M-S!EARCH / HTTP/1.1");
    rfc9110_9_3_6_connect ["COMP-METHOD-CONNECT"] refused_method(501, "CONNECT other.example:443 HTTP/1.1");
    rfc9110_9_3_6_connect_to_a_path [] refused_method(501, "CONNECT / HTTP/1.1");
    rfc9110_9_3_8_trace ["COMP-METHOD-TRACE"] refused_method(501, "TRACE / HTTP/1.1");
    rfc9110_9_3_8_trace_with_a_body ["COMP-TRACE-WITH-BODY"]
        refused(501, "TRACE / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    rfc9110_9_3_8_trace_tells_no_secrets ["COMP-TRACE-SENSITIVE"]
        refused(501, "TRACE / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer secret\r\n\r\n")
            .check(|answer| assert!(!answer.text().contains("secret")));
    rfc9110_10_1_1_a_client_that_waits_is_invited []
        kept(&[100], post("Content-Length: 5\r\nExpect: 100-continue\r\n", "")).then(&[200], "hello")
            .check(|answer| assert_eq!(answer.text(), "hello"));
    rfc9110_10_1_1_a_client_that_waits_with_chunks_is_invited []
        kept(&[100], post("Transfer-Encoding: chunked\r\nExpect: 100-Continue\r\n", ""))
            .then(&[200], "1\r\na\r\n0\r\n\r\n");
    rfc9110_10_1_1_a_client_that_does_not_wait_is_not_invited ["SMUG-EXPECT-100-CL"]
        kept(&[200], post("Content-Length: 5\r\nExpect: 100-continue\r\n", "hello"));
    rfc9110_10_1_1_no_body_no_invitation []
        kept(&[200], "GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n");
    rfc9110_10_1_1_a_body_past_the_limit_is_not_invited []
        refused(413, post("Content-Length: 999999999\r\nExpect: 100-continue\r\n", ""));
    rfc9110_10_1_1_a_list_of_expectations []
        kept(&[100], post("Content-Length: 2\r\nExpect: 100-continue, 100-Continue\r\n", ""))
            .then(&[200], "ab");
    rfc9110_10_1_1_a_list_with_empty_elements []
        kept(&[100], post("Content-Length: 2\r\nExpect: ,100-continue ,\r\n", "")).then(&[200], "ab");
    rfc9110_10_1_1_a_list_over_two_lines []
        kept(&[100], post("Content-Length: 2\r\nExpect:\r\nExpect: 100-continue\r\n", "")).then(&[200], "ab");
    rfc9110_10_1_1_no_expectation_at_all []
        kept(&[], post("Content-Length: 2\r\nExpect: ,\r\n", "")).then(&[200], "ab");
    rfc9110_10_1_1_a_list_with_an_unknown_expectation []
        refused(417, post("Content-Length: 2\r\nExpect: 100-continue, a=\"b,c\"\r\n", ""));
    rfc9110_10_1_1_nobody_asks_for_the_body_of_a_404 [] unasked(404, "POST /nowhere");
    rfc9110_10_1_1_nobody_asks_for_the_body_of_a_405 [] unasked(405, "PUT /")
        .check(|answer| assert_eq!(answer.header("allow"), Some("GET, HEAD, POST, OPTIONS")));
    rfc9110_10_1_1_nobody_asks_for_the_chunks_of_a_404 [] last(
        &[404],
        "POST /nowhere HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n",
    );
    rfc9110_10_1_1_the_body_of_a_404_that_came_unasked_is_no_request [] last(
        &[404],
        format!(
            "POST /nowhere HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n{}",
            SMUGGLED.len(),
            SMUGGLED
        ),
    );
    rfc9110_10_1_1_a_404_without_a_body_keeps_the_connection []
        kept(&[404], "GET /nowhere HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n");
    rfc9110_10_1_1_options_are_asked_for_their_body [] kept(
        &[100],
        "OPTIONS / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n",
    )
    .then(&[204], "a");
    rfc9110_10_1_1_another_expectation ["COMP-EXPECT-UNKNOWN"]
        refused(417, "GET / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n");
    rfc9110_15_2_no_interim_answer_to_http_1_0 ["COMP-NO-1XX-HTTP10"] last(
        &[200],
        "POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
    );
    rfc9110_15_2_no_interim_answer_to_http_1_0_that_waits []
        kept(&[], "POST / HTTP/1.0\r\nConnection: keep-alive\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
            .then(&[200], "hello");
}
