//! The chunked coding (RFC 9112 section 7.1).

use crate::case::{Case, cut, get, kept, post, refused};

fn chunks(body: &str) -> String {
    post("Transfer-Encoding: chunked\r\n", body)
}

fn decoded(body: &str) -> Case {
    kept(&[200], chunks(body)).check(|answer| assert_eq!(answer.text(), "hello"))
}

fn broken(body: &str) -> Case {
    refused(400, chunks(body))
}

cases! {
    rfc9112_7_1_one_chunk ["COMP-CHUNKED-BODY"] decoded("5\r\nhello\r\n0\r\n\r\n");
    rfc9112_7_1_two_chunks ["COMP-CHUNKED-MULTI"] decoded("2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n");
    rfc9112_7_1_a_chunk_for_each_byte []
        decoded("1\r\nh\r\n1\r\ne\r\n1\r\nl\r\n1\r\nl\r\n1\r\no\r\n0\r\n\r\n");
    rfc9112_7_1_no_chunk ["COMP-CHUNKED-EMPTY"] kept(&[200], chunks("0\r\n\r\n"))
        .check(|answer| assert_eq!(answer.text(), ""));
    rfc9112_7_1_upper_case_digits ["COMP-CHUNKED-HEX-UPPERCASE"]
        kept(&[200], chunks("A\r\nhelloworld\r\n0\r\n\r\n"))
            .check(|answer| assert_eq!(answer.text(), "helloworld"));
    rfc9112_7_1_lower_case_digits [] kept(&[200], chunks("a\r\nhelloworld\r\n0\r\n\r\n"));
    rfc9112_7_1_a_size_with_leading_zeros [] decoded("0005\r\nhello\r\n000\r\n\r\n");
    rfc9112_7_1_a_size_of_seventeen_digits [] decoded("00000000000000005\r\nhello\r\n0\r\n\r\n");
    rfc9112_7_1_zeros_up_to_the_limit_of_the_line []
        decoded(&format!("{0}5\r\nhello\r\n{0}0\r\n\r\n", "0".repeat(253)));
    rfc9112_7_1_zeros_past_the_limit_of_the_line []
        broken(&format!("{}5\r\nhello\r\n0\r\n\r\n", "0".repeat(254)));
    rfc9112_7_1_line_ends_in_the_data [] kept(&[200], chunks("6\r\n\r\n0\r\n\r\r\n0\r\n\r\n"))
        .check(|answer| assert_eq!(answer.text(), "\r\n0\r\n\r"));
    rfc9112_7_1_a_body_in_parts [] kept(&[], chunks("5\r\nhe")).then(&[], "llo\r").then(&[], "\n0\r\n")
        .then(&[200], "\r\n").check(|answer| assert_eq!(answer.text(), "hello"));
    rfc9112_7_1_what_follows_is_the_next_request []
        kept(&[200, 200, 200], format!("{0}{0}{1}", chunks("5\r\nhello\r\n0\r\n\r\n"), get("")));
    rfc9112_7_1_twenty_thousand_chunks []
        kept(&[200], chunks(&format!("{}0\r\n\r\n", "1\r\na\r\n".repeat(20_000))))
            .check(|answer| assert_eq!(answer.body.len(), 20_000));
    rfc9112_7_1_no_last_chunk ["COMP-CHUNKED-NO-FINAL"] cut(
        "POST /smuggled/-------- HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    );
    rfc9112_7_1_a_chunk_that_is_cut_off [] cut(
        "POST /smuggled/-------- HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
    );
    rfc9112_7_1_2_trailers_that_are_cut_off [] cut(
        "POST /smuggled/-------- HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: a\r\n",
    );
    rfc9112_7_1_a_hexadecimal_prefix ["SMUG-CHUNK-HEX-PREFIX"] broken("0x5\r\nhello\r\n0\r\n\r\n");
    rfc9112_7_1_an_underscore ["SMUG-CHUNK-UNDERSCORE"] broken("1_0\r\nhello world hello\r\n0\r\n\r\n");
    rfc9112_7_1_a_blank_before_the_size ["SMUG-CHUNK-LEADING-SP"] broken(" 5\r\nhello\r\n0\r\n\r\n");
    rfc9112_7_1_a_blank_behind_the_size ["SMUG-CHUNK-SIZE-TRAILING-OWS"] broken("5 \r\nhello\r\n0\r\n\r\n");
    rfc9112_7_1_a_tab_behind_the_size [] broken("5\t\r\nhello\r\n0\r\n\r\n");
    rfc9112_7_1_a_plus_sign ["SMUG-CHUNK-SIZE-PLUS"] broken("+5\r\nhello\r\n0\r\n\r\n");
    rfc9112_7_1_a_minus_sign ["SMUG-CHUNK-NEGATIVE"] broken("-1\r\nhello\r\n0\r\n\r\n");
    rfc9112_7_1_no_size [] broken("\r\nhello\r\n0\r\n\r\n");
    rfc9112_7_1_no_hexadecimal_digit [] broken("g\r\nhello\r\n0\r\n\r\n");
    rfc9112_7_1_a_size_past_64_bits ["MAL-CHUNK-SIZE-OVERFLOW"]
        broken("FFFFFFFFFFFFFFFF0\r\nhello\r\n0\r\n\r\n");
    rfc9112_7_1_a_size_that_wraps_to_five [] broken("10000000000000005\r\nhello\r\n0\r\n\r\n");
    rfc9112_7_1_data_without_its_line_end ["SMUG-CHUNK-MISSING-TRAILING-CRLF"]
        broken("5\r\nhello0\r\n\r\n");
    rfc9112_7_1_more_data_than_announced ["SMUG-CHUNK-SPILL"] broken("5\r\nhello!!\r\n0\r\n\r\n");
    rfc9112_7_1_less_data_than_announced [] broken("7\r\nhello\r\n0\r\n\r\n");
    rfc9112_2_2_a_bare_lf_behind_the_size [] broken("5\nhello\r\n0\r\n\r\n");
    rfc9112_2_2_a_bare_lf_behind_the_data ["SMUG-CHUNK-LF-TERM"] broken("5\r\nhello\n0\r\n\r\n");
    rfc9112_2_2_a_bare_lf_behind_the_trailers ["SMUG-CHUNK-LF-TRAILER"] broken("5\r\nhello\r\n0\r\n\n");
    rfc9112_2_2_a_bare_cr_behind_the_size ["SMUG-CHUNK-BARE-CR-TERM"] broken("5\rhello\r\n0\r\n\r\n");
    rfc9112_2_2_a_bare_cr_behind_the_data [] broken("5\r\nhello\r0\r\n\r\n");
    rfc9112_7_1_1_an_extension ["COMP-CHUNKED-EXTENSION"] decoded("5;name=value\r\nhello\r\n0\r\n\r\n");
    rfc9112_7_1_1_an_extension_without_a_value [] decoded("5;name\r\nhello\r\n0;last\r\n\r\n");
    rfc9112_7_1_1_a_quoted_value [] decoded("5;name=\"a; \\\"b\\\"\"\r\nhello\r\n0\r\n\r\n");
    rfc9112_7_1_1_several_extensions [] decoded("5;a=b;c;d=\"e\"\r\nhello\r\n0\r\n\r\n");
    rfc9112_7_1_1_blanks_of_the_grammar [] decoded("5 ; a = b\r\nhello\r\n0\r\n\r\n");
    rfc9112_7_1_1_a_bare_semicolon ["SMUG-CHUNK-BARE-SEMICOLON"] broken("5;\r\nhello\r\n0\r\n\r\n");
    rfc9112_7_1_1_two_semicolons [] broken("5;;a\r\nhello\r\n0\r\n\r\n");
    rfc9112_7_1_1_a_name_that_is_no_token ["SMUG-CHUNK-EXT-INVALID-TOKEN"]
        broken("5;a[=b\r\nhello\r\n0\r\n\r\n");
    rfc9112_7_1_1_an_equals_sign_without_a_value [] broken("5;a=\r\nhello\r\n0\r\n\r\n");
    rfc9112_7_1_1_an_open_quote [] broken("5;a=\"b\r\nhello\r\n0\r\n\r\n");
    rfc9112_7_1_1_an_extension_without_a_semicolon [] broken("5 a=b\r\nhello\r\n0\r\n\r\n");
    rfc9110_5_5_nul_in_an_extension ["SMUG-CHUNK-EXT-CTRL"] broken("5;\0a\r\nhello\r\n0\r\n\r\n");
    rfc9112_2_2_a_bare_cr_in_an_extension ["SMUG-CHUNK-EXT-CR"] broken("5;a\rX\r\nhello\r\n0\r\n\r\n");
    rfc9112_2_2_a_bare_lf_in_an_extension ["SMUG-CHUNK-EXT-LF"] broken("5;\nhello\r\n0\r\n\r\n");
    rfc9112_7_1_1_an_endless_extension ["MAL-CHUNK-EXT-64K"]
        broken(&format!("5;a={}\r\nhello\r\n0\r\n\r\n", "b".repeat(65_536)));
    rfc9112_7_1_1_extensions_without_end_on_small_chunks []
        broken(&format!("{}0\r\n\r\n", format!("1;a={}\r\nb\r\n", "b".repeat(60)).repeat(100)));
    rfc9112_7_1_2_a_trailer ["COMP-CHUNKED-TRAILER-VALID"] decoded("5\r\nhello\r\n0\r\nX-Sum: abc\r\n\r\n");
    rfc9112_7_1_2_two_trailers [] decoded("5\r\nhello\r\n0\r\nX-A: a\r\nX-B:\r\n\r\n");
    rfc9110_6_5_1_a_length_in_the_trailers_frames_nothing ["SMUG-TRAILER-CL"]
        decoded("5\r\nhello\r\n0\r\nContent-Length: 50\r\n\r\n");
    rfc9110_6_5_1_a_coding_in_the_trailers_frames_nothing ["SMUG-TRAILER-TE"]
        decoded("5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n");
    rfc9110_6_5_1_a_host_in_the_trailers_is_dropped ["SMUG-TRAILER-HOST"]
        decoded("5\r\nhello\r\n0\r\nHost: other.example\r\n\r\n");
    rfc9112_7_1_2_a_trailer_without_a_colon [] broken("5\r\nhello\r\n0\r\nNoColon\r\n\r\n");
    rfc9112_7_1_2_a_blank_before_the_colon_of_a_trailer [] broken("5\r\nhello\r\n0\r\nX : a\r\n\r\n");
    rfc9112_7_1_2_a_folded_trailer [] broken("5\r\nhello\r\n0\r\nX: a\r\n b\r\n\r\n");
    rfc9112_7_1_2_nul_in_a_trailer [] broken("5\r\nhello\r\n0\r\nX: a\0\r\n\r\n");
}
