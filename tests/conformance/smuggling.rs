//! Request smuggling: bytes that one parser takes for a body and another for a request (RFC 9112 sections 6.1
//! and 11.2).

use crate::case::{Case, SMUGGLED, get, kept, last, post, refused};

/// Codings and a length that covers all of `body`: who believes the codings executes what stands behind the
/// last chunk.
fn coding_before_length(codings: &str, length_prefix: &str, length_suffix: &str, smuggled: &str) -> Case {
    let body = format!("0\r\n\r\n{smuggled}");
    let length = format!("Content-Length: {length_prefix}{}{length_suffix}\r\n", body.len());
    refused(400, post(&format!("{codings}{length}"), &body))
}

fn hidden(codings: &str) -> Case {
    coding_before_length(codings, "", "", SMUGGLED)
}

/// A length that covers the size of the chunk only: who believes the length executes the chunk's data.
fn length_inside_a_chunk() -> Case {
    let size = format!("{:x}\r\n", SMUGGLED.len());
    let fields = format!("Transfer-Encoding: chunked\r\nContent-Length: {}\r\n", size.len());
    refused(400, post(&fields, &format!("{size}{SMUGGLED}\r\n0\r\n\r\n")))
}

/// Two lengths: who believes the first executes what stands behind it.
fn two_lengths(first: usize) -> Case {
    let body = format!("PING{SMUGGLED}");
    let lengths = [first, 4 + body.len() - first];
    refused(
        400,
        post(&format!("Content-Length: {}\r\nContent-Length: {}\r\n", lengths[0], lengths[1]), &body),
    )
}

/// A whole request as the body of another.
fn as_a_body(request_line: &str, fields: &str) -> String {
    format!("{request_line}\r\nHost: a\r\n{fields}Content-Length: {}\r\n\r\n{SMUGGLED}", SMUGGLED.len())
}

cases! {
    rfc9112_6_1_length_then_chunked_ends_the_connection ["SMUG-CLTE-CONN-CLOSE"]
        refused(400, post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"));
    rfc9112_6_1_chunked_then_length_ends_the_connection ["SMUG-TECL-CONN-CLOSE"]
        refused(400, post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"));
    rfc9112_6_1_a_length_inside_the_last_chunk ["SMUG-CLTE-PIPELINE"]
        refused(400, post("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"));
    rfc9112_6_1_a_length_past_the_last_chunk ["SMUG-TECL-PIPELINE"]
        refused(400, post("Transfer-Encoding: chunked\r\nContent-Length: 30\r\n", "0\r\n\r\n"));
    rfc9112_6_1_one_byte_behind_the_last_chunk ["SMUG-CLTE-DESYNC"]
        refused(400, post("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\nX"));
    rfc9112_6_1_one_byte_behind_an_early_last_chunk ["SMUG-TECL-DESYNC"]
        refused(400, post("Transfer-Encoding: chunked\r\nContent-Length: 30\r\n", "0\r\n\r\nX"));
    rfc9112_6_1_a_get_behind_the_last_chunk ["SMUG-CLTE-SMUGGLED-GET"] hidden("Transfer-Encoding: chunked\r\n");
    rfc9112_6_1_a_head_behind_the_last_chunk ["SMUG-CLTE-SMUGGLED-HEAD"] coding_before_length(
        "Transfer-Encoding: chunked\r\n",
        "",
        "",
        "HEAD /smuggled/-------- HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    rfc9112_6_1_a_get_and_a_length_with_a_plus ["SMUG-CLTE-SMUGGLED-GET-CL-PLUS"]
        coding_before_length("Transfer-Encoding: chunked\r\n", "+", "", SMUGGLED);
    rfc9112_6_1_a_get_and_a_length_with_a_letter ["SMUG-CLTE-SMUGGLED-GET-CL-NON-NUMERIC"]
        coding_before_length("Transfer-Encoding: chunked\r\n", "", "x", SMUGGLED);
    rfc9112_5_2_a_get_and_a_folded_coding ["SMUG-CLTE-SMUGGLED-GET-TE-OBS-FOLD"]
        hidden("Transfer-Encoding:\r\n chunked\r\n");
    rfc9112_6_1_a_get_and_a_coding_with_a_blank ["SMUG-CLTE-SMUGGLED-GET-TE-TRAILING-SPACE"]
        hidden("Transfer-Encoding: chunked \r\n");
    rfc9112_6_1_a_get_and_a_coding_with_a_comma ["SMUG-CLTE-SMUGGLED-GET-TE-LEADING-COMMA"]
        hidden("Transfer-Encoding: , chunked\r\n");
    rfc9112_6_1_a_get_and_a_coding_in_other_case ["SMUG-CLTE-SMUGGLED-GET-TE-CASE-MISMATCH"]
        hidden("Transfer-Encoding: Chunked\r\n");
    rfc9112_6_1_a_get_and_two_codings ["SMUG-TE-DUPLICATE-HEADERS-SMUGGLED-GET"]
        hidden("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n");
    rfc9112_6_1_a_get_and_an_unknown_coding [] hidden("Transfer-Encoding: xchunked\r\n");
    rfc9112_5_1_a_get_and_a_coding_with_a_blank_before_its_colon [] hidden("Transfer-Encoding : chunked\r\n");
    rfc9112_2_2_a_get_and_a_coding_behind_a_bare_lf [] hidden("X: a\nTransfer-Encoding: chunked\r\n");
    rfc9112_2_2_a_get_and_a_coding_behind_a_bare_cr [] hidden("X: a\rTransfer-Encoding: chunked\r\n");
    rfc9112_6_1_a_get_inside_a_chunk ["SMUG-TECL-SMUGGLED-GET"] length_inside_a_chunk();
    rfc9110_8_6_a_get_behind_the_shorter_length ["SMUG-DUPLICATE-CL-SMUGGLED-GET"] two_lengths(4);
    rfc9110_8_6_a_get_behind_no_length [] two_lengths(0);
    rfc9112_5_2_options_with_a_folded_coding ["SMUG-OPTIONS-TE-OBS-FOLD"] refused(
        400,
        "OPTIONS / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n\r\nhello",
    );
    rfc9112_7_1_a_broken_size_and_one_byte_more ["SMUG-CHUNK-INVALID-SIZE-DESYNC"]
        refused(400, post("Transfer-Encoding: chunked\r\n", "+0\r\n\r\nX"));
    rfc9112_7_1_a_get_behind_a_broken_size []
        refused(400, post("Transfer-Encoding: chunked\r\n", &format!("0 \r\n\r\n{SMUGGLED}")));
    rfc9112_7_1_1_a_get_behind_a_line_feed_in_an_extension []
        refused(400, post("Transfer-Encoding: chunked\r\n", &format!("1;a\n0\r\n\r\n{SMUGGLED}")));
    rfc9110_9_3_1_the_body_of_a_get_is_not_a_request ["SMUG-GET-CL-BODY-DESYNC", "COMP-GET-WITH-CL-BODY"]
        kept(&[200], as_a_body("GET / HTTP/1.1", "")).then(&[200], get(""));
    rfc9110_9_3_1_the_body_of_a_get_may_be_chunked [] kept(
        &[200],
        format!(
            "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n",
            SMUGGLED.len()
        ),
    );
    rfc9110_9_3_1_the_body_of_a_get_is_half_a_request ["SMUG-GET-CL-PREFIX-DESYNC"] kept(
        &[200],
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 42\r\n\r\nGET /smuggled/-------- HTTP/1.1\r\nHost: a\r\n",
    )
    .then(&[200], format!("\r\n{}", get("")));
    rfc9110_9_3_2_the_body_of_a_head_is_not_a_request ["SMUG-HEAD-CL-BODY"]
        kept(&[200], as_a_body("HEAD / HTTP/1.1", "")).method("HEAD");
    rfc9110_9_3_7_the_body_of_options_is_not_a_request
        ["SMUG-OPTIONS-CL-BODY", "SMUG-OPTIONS-CL-BODY-DESYNC"]
        kept(&[204], as_a_body("OPTIONS / HTTP/1.1", "")).then(&[200], get(""));
    rfc9110_9_3_5_the_body_of_a_delete_is_not_a_request [] kept(&[405], as_a_body("DELETE / HTTP/1.1", ""));
    rfc9110_10_1_1_the_body_of_an_expectation_is_not_a_request ["SMUG-EXPECT-100-CL-DESYNC"]
        kept(&[200], as_a_body("POST / HTTP/1.1", "Expect: 100-continue\r\n")).then(&[200], get(""));
    rfc9112_6_2_the_body_for_nobody_is_not_a_request [] kept(&[404], as_a_body("GET /nowhere HTTP/1.1", ""));
    rfc9112_6_2_one_byte_behind_an_empty_body ["SMUG-CL0-BODY-POISON"]
        last(&[200, 501], format!("{}X{}", post("Content-Length: 0\r\n", ""), get("")));
    rfc9112_9_3_2_two_requests_in_one_write ["SMUG-PIPELINE-SAFE"]
        kept(&[200, 200], format!("{0}{0}", get("")));
}
