//! Limits, with those that pouco starts with (RFC 9110 sections 5.4, 15.5.14 and 15.5.15, RFC 9112 section 3,
//! RFC 6585).

use pouco::limits::{BODY_BYTES, HEADER_BYTES};

use crate::case::{get, kept, last, post, refused};

fn numbered_fields(count: usize) -> String {
    (0..count).map(|number| format!("X-{number}: a\r\n")).collect()
}

fn chunk(bytes: usize) -> String {
    format!("{bytes:x}\r\n{}\r\n", "a".repeat(bytes))
}

cases! {
    rfc9112_3_a_target_of_7900_bytes ["COMP-LONG-URL-OK"]
        kept(&[200], format!("GET /path/{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(7_900)))
            .check(|answer| assert_eq!(answer.body.len(), 7_900));
    rfc9112_3_a_request_line_of_8000_bytes []
        kept(&[200], format!("GET /?{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(8_000 - 17)));
    rfc9112_3_a_target_that_is_too_long ["MAL-LONG-URL"]
        refused(414, format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "A".repeat(100_000)));
    rfc9112_3_a_target_that_is_just_too_long []
        refused(414, format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "A".repeat(HEADER_BYTES)));
    rfc9112_3_a_query_that_is_too_long []
        refused(414, format!("GET /?q={} HTTP/1.1\r\nHost: a\r\n\r\n", "A".repeat(100_000)));
    rfc9112_3_a_method_without_end ["MAL-LONG-METHOD"]
        refused(400, format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", "A".repeat(100_000)));
    rfc9112_3_a_long_unknown_method []
        refused(501, format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", "A".repeat(1_000)));
    rfc9112_3_an_unknown_method_and_a_long_target []
        refused(501, format!("BREW /{} HTTP/1.1\r\nHost: a\r\n\r\n", "A".repeat(100_000)));
    rfc9110_5_4_a_value_that_is_too_long ["MAL-LONG-HEADER-VALUE"]
        refused(431, get(&format!("X-Big: {}\r\n", "b".repeat(100_000))));
    rfc9110_5_4_a_name_that_is_too_long ["MAL-LONG-HEADER-NAME"]
        refused(431, get(&format!("{}: b\r\n", "X".repeat(100_000))));
    rfc9110_5_4_a_value_of_8000_bytes [] kept(&[200], get(&format!("X-Big: {}\r\n", "b".repeat(8_000))));
    rfc9110_5_4_a_cookie_of_64_kib ["COOK-OVERSIZED"]
        refused(431, get(&format!("Cookie: a={}\r\n", "b".repeat(65_536))));
    rfc6585_5_ninety_nine_fields_beside_the_host [] kept(&[200], get(&numbered_fields(99)));
    rfc6585_5_a_hundred_fields_beside_the_host [] refused(431, get(&numbered_fields(100)));
    rfc6585_5_ten_thousand_fields ["MAL-MANY-HEADERS"] refused(431, get(&numbered_fields(10_000)));
    rfc9110_15_5_14_a_body_at_the_limit []
        kept(&[200], post(&format!("Content-Length: {BODY_BYTES}\r\n"), &"a".repeat(BODY_BYTES)))
            .check(|answer| assert_eq!(answer.body.len(), BODY_BYTES));
    rfc9110_15_5_14_a_body_past_the_limit []
        refused(413, post(&format!("Content-Length: {}\r\n", BODY_BYTES + 1), &"a".repeat(BODY_BYTES + 1)));
    rfc9110_15_5_14_the_first_byte_of_a_huge_body [] refused(413, post("Content-Length: 999999999\r\n", "a"));
    rfc9110_15_5_14_the_first_byte_of_a_huge_body_comes_late []
        last(&[], post("Content-Length: 999999999\r\n", "")).then(&[413], "a");
    rfc9110_15_5_14_a_chunked_body_at_the_limit [] kept(
        &[200],
        post("Transfer-Encoding: chunked\r\n", &format!("{}0\r\n\r\n", chunk(BODY_BYTES / 16).repeat(16))),
    )
    .check(|answer| assert_eq!(answer.body.len(), BODY_BYTES));
    rfc9110_15_5_14_a_chunk_past_the_limit []
        refused(413, post("Transfer-Encoding: chunked\r\n", &chunk(BODY_BYTES + 1)));
    rfc9110_15_5_14_chunks_past_the_limit []
        refused(413, post("Transfer-Encoding: chunked\r\n", &chunk(BODY_BYTES / 16).repeat(17)));
    rfc9110_15_5_14_a_chunk_of_64_bits []
        refused(413, post("Transfer-Encoding: chunked\r\n", "ffffffffffffffff\r\nhello"));
    rfc6585_5_trailers_past_their_limit [] refused(
        431,
        post("Transfer-Encoding: chunked\r\n", &format!("0\r\n{}\r\n", numbered_fields(1_000))),
    );
}
