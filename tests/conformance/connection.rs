//! Persistence, pipelining and the end of a connection (RFC 9112 section 9).

use crate::case::{get, kept, last, post, refused};

cases! {
    rfc9112_9_3_a_connection_lasts [] kept(&[200], get("")).then(&[200], get("")).then(&[200], get(""));
    rfc9112_9_3_an_answer_that_lasts_says_nothing [] kept(&[200], get(""))
        .check(|answer| assert_eq!(answer.header("connection"), None));
    rfc9112_9_6_close ["COMP-CONNECTION-CLOSE"] last(&[200], get("Connection: close\r\n"));
    rfc9110_7_6_1_options_have_no_case [] last(&[200], get("Connection: CLOSE\r\n"));
    rfc9110_7_6_1_close_in_a_list [] last(&[200], get("Connection: x-hop , close\r\n"));
    rfc9110_7_6_1_close_in_the_second_field []
        last(&[200], get("Connection: keep-alive\r\nConnection: close\r\n"));
    rfc9110_7_6_1_close_wins [] last(&[200], get("Connection: close, keep-alive\r\n"));
    rfc9110_7_6_1_empty_elements [] last(&[200], get("Connection: ,, close,\r\n"));
    rfc9110_7_6_1_keep_alive_changes_nothing [] kept(&[200], get("Connection: keep-alive\r\n"));
    rfc9110_7_6_1_an_unknown_option_changes_nothing [] kept(&[200], get("Connection: x-close\r\n"));
    rfc9112_9_6_close_after_a_body [] last(&[200], post("Connection: close\r\nContent-Length: 2\r\n", "ab"))
        .check(|answer| assert_eq!(answer.text(), "ab"));
    rfc9112_9_6_close_after_a_chunked_body []
        last(&[200], post("Connection: close\r\nTransfer-Encoding: chunked\r\n", "1\r\na\r\n0\r\n\r\n"));
    rfc9112_9_6_nothing_behind_close_is_answered []
        last(&[200, 200], format!("{}{}{}", get(""), get("Connection: close\r\n"), get("")));
    rfc9112_9_3_2_answers_come_in_order [] kept(
        &[200, 404, 405, 204, 200],
        format!(
            "{}GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\nDELETE / HTTP/1.1\r\nHost: a\r\n\r\n\
             OPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n{}",
            get(""),
            post("Content-Length: 2\r\n", "ab")
        ),
    )
    .check(|answer| assert_eq!(answer.text(), "ab"));
    rfc9112_9_3_2_a_refusal_comes_behind_the_answers_before_it []
        last(&[200, 200, 400], format!("{0}{0}GET / HTTP/1.1\r\nHost: a b\r\n\r\n", get("")));
    rfc9112_9_3_2_a_request_in_many_parts [] kept(&[], "GE").then(&[], "T / HTTP/1.1\r").then(&[], "\nHost: a\r\n")
        .then(&[200], "\r\n");
    rfc9110_15_5_5_not_found_keeps_the_connection [] kept(&[404], "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc9112_9_6_a_refusal_says_close [] refused(400, "GET / HTTP/1.1\r\n\r\n")
        .check(|answer| assert_eq!(answer.header("connection"), Some("close")));
}
