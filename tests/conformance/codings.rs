//! Transfer-Encoding as a list (RFC 9112 sections 6.1, 6.3 and 7, RFC 9110 section 5.6.1).

use crate::case::{Case, kept, post, refused};

const CHUNKS: &str = "5\r\nhello\r\n0\r\n\r\n";

/// The codings and a chunked body.
fn coded(value: &str) -> String {
    post(&format!("Transfer-Encoding:{value}\r\n"), CHUNKS)
}

fn decoded(bytes: impl AsRef<[u8]>) -> Case {
    kept(&[200], bytes).check(|answer| assert_eq!(answer.text(), "hello"))
}

/// The codings beside a length of the body `hello`: whichever of the two a parser believes, the request is
/// refused.
fn with_length(value: &[u8]) -> Case {
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:";
    refused(400, [head, value, b"\r\nContent-Length: 5\r\n\r\nhello"].concat())
}

cases! {
    rfc9112_6_1_chunked [] decoded(coded(" chunked"));
    rfc9112_7_codings_have_no_case [] decoded(coded(" CHUNKED"));
    rfc9112_6_1_the_field_name_has_no_case [] decoded(post("TRANSFER-ENCODING: chunked\r\n", CHUNKS));
    rfc9110_5_6_1_an_empty_element_before_it [] decoded(coded(" , chunked"));
    rfc9110_5_6_1_an_empty_element_behind_it [] decoded(coded(" chunked,"));
    rfc9110_5_6_1_several_empty_elements [] decoded(coded(" ,,\t, chunked ,, "));
    rfc9110_5_3_an_empty_field_beside_it []
        decoded(post("Transfer-Encoding: chunked\r\nTransfer-Encoding:\r\n", CHUNKS));
    rfc9110_5_5_a_tab_before_it [] decoded(coded("\tchunked"));
    rfc9110_5_5_a_blank_behind_it [] decoded(coded(" chunked "));
    rfc9112_6_1_an_unknown_coding_before_chunked [] refused(501, coded(" gzip, chunked"));
    rfc9112_6_1_an_unknown_coding_in_another_field []
        refused(501, post("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", CHUNKS));
    rfc9112_6_3_an_unknown_coding_alone ["COMP-UNKNOWN-TE-501"]
        refused(400, post("Transfer-Encoding: gzip\r\n", ""));
    rfc9112_6_3_identity_is_no_coding [] refused(400, coded(" identity"));
    rfc9112_6_3_chunked_is_not_the_last ["SMUG-TE-NOT-FINAL-CHUNKED"]
        refused(400, post("Transfer-Encoding: chunked, gzip\r\n", "0\r\n\r\n"));
    rfc9112_6_3_chunked_is_not_in_the_last_field []
        refused(400, post("Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n", CHUNKS));
    rfc9112_7_1_chunked_twice [] refused(400, coded(" chunked, chunked"));
    rfc9112_7_1_chunked_in_two_fields []
        refused(400, post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", CHUNKS));
    rfc9112_7_1_chunked_has_no_parameters [] refused(400, coded(" chunked;a=b"));
    rfc9112_7_1_chunked_has_no_empty_parameters [] refused(400, coded(" chunked;"));
    rfc9112_6_1_an_empty_list [] refused(400, coded(""));
    rfc9112_6_1_only_empty_elements [] refused(400, coded(" , ,"));
    rfc9112_6_1_quotes [] refused(400, coded(" \"chunked\""));
    rfc9112_6_1_two_words [] refused(400, coded(" chunked chunked"));
    rfc9112_6_1_a_name_that_only_begins_so [] refused(400, coded(" chunkedd"));
    rfc9112_6_1_chunks_in_http_1_0 ["SMUG-TE-HTTP10"] refused(
        400,
        "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello",
    );
    rfc9112_6_1_chunks_in_http_1_0_without_a_length [] refused(
        400,
        "POST / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    );
    rfc9112_6_1_length_and_chunked ["SMUG-CL-TE-BOTH"]
        refused(400, post("Content-Length: 15\r\nTransfer-Encoding: chunked\r\n", CHUNKS));
    rfc9112_6_1_length_and_chunked_in_upper_case ["NORM-CASE-TE"]
        refused(400, post("Content-Length: 15\r\nTRANSFER-ENCODING: chunked\r\n", CHUNKS));
    rfc9112_6_1_length_of_zero_and_chunked []
        refused(400, post("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", CHUNKS));
    rfc9112_6_1_length_and_an_unknown_coding ["SMUG-TE-XCHUNKED"] with_length(b" xchunked");
    rfc9112_6_1_length_and_gzip_chunked [] with_length(b" gzip, chunked");
    rfc9112_7_length_and_identity ["SMUG-TE-IDENTITY"] with_length(b" identity");
    rfc9112_6_1_length_and_chunked_with_a_blank ["SMUG-TE-TRAILING-SPACE"] with_length(b" chunked ");
    rfc9112_6_1_length_and_chunked_with_a_tab ["SMUG-TE-TAB-BEFORE-VALUE"] with_length(b"\tchunked");
    rfc9112_6_1_length_and_chunked_in_other_case ["SMUG-TE-CASE-MISMATCH"] with_length(b" Chunked");
    rfc9112_6_1_length_and_chunked_twice ["SMUG-TE-DOUBLE-CHUNKED"] with_length(b" chunked, chunked");
    rfc9112_6_1_length_and_an_empty_element_first ["SMUG-TE-LEADING-COMMA"] with_length(b" , chunked");
    rfc9112_6_1_length_and_an_empty_element_last ["SMUG-TE-TRAILING-COMMA"] with_length(b" chunked,");
    rfc9112_6_1_length_and_an_empty_list ["SMUG-TE-EMPTY-VALUE"] with_length(b" ");
    rfc9112_7_1_length_and_parameters ["SMUG-CHUNKED-WITH-PARAMS"] with_length(b" chunked;a=b");
    rfc9112_6_1_length_and_two_fields ["SMUG-TE-DUPLICATE-HEADERS"]
        with_length(b" chunked\r\nTransfer-Encoding: identity");
    rfc9112_6_1_a_vertical_tab ["SMUG-TE-VTAB"] with_length(b" \x0bchunked");
    rfc9112_6_1_a_form_feed ["SMUG-TE-FORMFEED"] with_length(b" \x0cchunked");
    rfc9110_5_5_nul_behind_chunked ["SMUG-TE-NULL"] with_length(b" chunked\0");
    rfc9112_5_2_a_folded_coding ["SMUG-TE-OBS-FOLD"] with_length(b"\r\n chunked");
    rfc9112_5_1_a_blank_before_the_colon_of_a_coding ["SMUG-TE-SP-BEFORE-COLON"]
        refused(400, post("Transfer-Encoding : chunked\r\nContent-Length: 5\r\n", "hello"));
}
