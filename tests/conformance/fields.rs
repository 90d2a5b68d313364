//! Syntax of header fields (RFC 9112 section 5, RFC 9110 sections 5.1 to 5.6).

use crate::case::{Case, get, kept, post, refused};

fn field(line: &[u8]) -> Vec<u8> {
    [b"GET / HTTP/1.1\r\nHost: a\r\n", line, b"\r\n\r\n"].concat()
}

fn refused_field(line: &[u8]) -> Case {
    refused(400, field(line))
}

cases! {
    rfc9112_5_1_a_blank_before_the_colon ["RFC9110-5.6.2-SP-BEFORE-COLON"] refused_field(b"X-Test : a");
    rfc9112_5_1_a_tab_before_the_colon [] refused_field(b"X-Test\t: a");
    rfc9112_5_1_a_blank_before_the_colon_of_host [] refused(400, "GET / HTTP/1.1\r\nHost : a\r\n\r\n");
    rfc9112_5_1_a_blank_before_the_colon_of_a_length ["NORM-SP-BEFORE-COLON-CL"]
        refused(400, post("Content-Length: 11\r\nContent-Length : 5\r\n", "hello world"));
    rfc9112_5_2_a_folded_value ["RFC9112-5.1-OBS-FOLD"] refused_field(b"X-Test: a\r\n folded");
    rfc9112_5_2_a_value_folded_with_a_tab [] refused_field(b"X-Test: a\r\n\tfolded");
    rfc9112_5_2_a_folded_host [] refused(400, "GET / HTTP/1.1\r\nHost:\r\n a\r\n\r\n");
    rfc9112_5_2_a_fold_of_nothing_but_blanks [] refused_field(b"X-Test: a\r\n  ");
    rfc9112_5_an_empty_name ["RFC9112-5-EMPTY-HEADER-NAME"] refused_field(b": a");
    rfc9112_5_a_bracket_in_the_name ["RFC9112-5-INVALID-HEADER-NAME"] refused_field(b"X[Test: a");
    rfc9112_5_a_line_without_a_colon ["RFC9112-5-HEADER-NO-COLON"] refused_field(b"NoColon");
    rfc9112_5_a_blank_in_the_name [] refused_field(b"X Test: a");
    rfc9112_5_a_tab_in_the_name ["NORM-TAB-IN-NAME"]
        refused(400, post("Content-Length: 11\r\nContent\tLength: 99\r\n", "hello world"));
    rfc9112_5_utf8_in_the_name ["MAL-NON-ASCII-HEADER-NAME"] refused_field(b"X-T\xc3\xabst: a");
    rfc9112_5_nul_in_the_name [] refused_field(b"X-T\0st: a");
    rfc9112_5_a_quote_in_the_name [] refused_field(b"X\"Test: a");
    rfc9112_5_a_semicolon_in_the_name [] refused_field(b"X;Test: a");
    rfc9110_5_6_2_every_character_of_a_token_in_the_name [] kept(&[200], get("!#$%&'*+-.^_`|~09azAZ: a\r\n"));
    rfc9110_5_1_names_have_no_case [] kept(&[200], "GET / HTTP/1.1\r\nhOsT: a\r\n\r\n");
    rfc9110_5_5_nul_in_a_value ["MAL-NUL-IN-HEADER-VALUE"] refused_field(b"X-Test: a\0b");
    rfc9110_5_5_control_characters_in_a_value ["MAL-CONTROL-CHARS-HEADER"]
        refused_field(b"X-Test: a\x07\x08\x0bb");
    rfc9110_5_5_delete_in_a_value [] refused_field(b"X-Test: a\x7fb");
    rfc9110_5_5_a_bare_cr_in_a_value ["SMUG-BARE-CR-HEADER-VALUE"]
        refused(400, post("Content-Length: 5\r\nX-Test: a\rb\r\n", "hello"));
    rfc9110_5_5_nul_in_a_cookie ["COOK-NUL"] refused_field(b"Cookie: a=b\0c");
    rfc9110_5_5_an_empty_value [] kept(&[200], get("X-Test:\r\n"));
    rfc9110_5_5_blanks_around_a_value [] kept(&[200], get("X-Test: \t a \t \r\n"));
    rfc9110_5_5_a_tab_inside_a_value [] kept(&[200], get("X-Test: a\tb\r\n"));
    rfc9110_5_5_bytes_above_ascii_in_a_value [] kept(&[200], field(b"X-Test: caf\xc3\xa9 \xe9"));
    rfc9110_5_3_two_content_types ["COMP-DUPLICATE-CT"] refused(
        400,
        post("Content-Length: 5\r\nContent-Type: text/plain\r\nContent-Type: text/html\r\n", "hello"),
    );
    rfc9110_5_3_the_same_content_type_twice []
        refused(400, post("Content-Type: text/plain\r\ncontent-type: text/plain\r\n", ""));
    rfc9110_5_3_a_list_over_several_fields [] kept(&[200], get("Accept: a/b\r\nAccept: c/d\r\n"));
    rfc9110_5_1_an_underscore_makes_another_name ["NORM-UNDERSCORE-CL"]
        kept(&[200], post("Content-Length: 5\r\nContent_Length: 99\r\n", "hello"))
            .check(|answer| assert_eq!(answer.text(), "hello"));
    rfc9110_5_1_an_underscore_makes_another_coding ["NORM-UNDERSCORE-TE", "SMUG-TRANSFER_ENCODING"]
        kept(&[200], post("Content-Length: 5\r\nTransfer_Encoding: chunked\r\n", "hello"))
            .check(|answer| assert_eq!(answer.text(), "hello"));
}
