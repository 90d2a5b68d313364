//! Line ends, empty lines and the request line (RFC 9112 sections 2.2 and 3).

use crate::case::{SMUGGLED, cut, get, kept, refused};

cases! {
    rfc9112_2_2_a_plain_request [] kept(&[200], get(""));
    rfc9112_2_2_bare_lf_in_the_request_line ["RFC9112-2.2-BARE-LF-REQUEST-LINE"]
        refused(400, "GET / HTTP/1.1\nHost: a\r\n\r\n");
    rfc9112_2_2_bare_lf_in_a_field_line ["RFC9112-2.2-BARE-LF-HEADER"]
        refused(400, "GET / HTTP/1.1\r\nHost: a\nX-Test: b\r\n\r\n");
    rfc9112_2_2_bare_lf_everywhere [] refused(400, "GET / HTTP/1.1\nHost: a\n\n");
    rfc9112_2_2_bare_lf_ends_the_head [] refused(400, "GET / HTTP/1.1\r\nHost: a\r\n\n");
    rfc9112_2_2_bare_lf_before_the_request_line [] refused(400, format!("\n{}", get("")));
    rfc9112_2_2_bare_cr_ends_the_request_line ["RFC9112-3-CR-ONLY-LINE-ENDING"]
        refused(400, "GET / HTTP/1.1\rHost: a\r\n\r\n");
    rfc9112_2_2_bare_cr_in_the_target [] refused(400, "GET /\r HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc9112_2_2_bare_cr_before_the_version [] refused(400, "GET / \rHTTP/1.1\r\nHost: a\r\n\r\n");
    rfc9112_2_2_two_cr_end_the_request_line [] refused(400, "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n");
    rfc9112_2_2_one_empty_line_is_ignored [] kept(&[200], format!("\r\n{}", get("")));
    rfc9112_2_2_one_empty_line_between_requests_is_ignored []
        kept(&[200, 200, 200], format!("{0}\r\n{0}\r\n{0}", get("")));
    rfc9112_2_2_two_empty_lines_are_no_request ["COMP-LEADING-CRLF"]
        refused(400, format!("\r\n\r\n{}", get("")));
    rfc9112_2_2_an_empty_line_that_comes_in_two_parts []
        kept(&[], "\r").then(&[], "\n").then(&[200], get(""));
    rfc9112_2_2_blank_line_before_the_first_field ["COMP-WHITESPACE-BEFORE-HEADERS"]
        refused(400, "GET / HTTP/1.1\r\n \r\nHost: a\r\n\r\n");
    rfc9112_2_2_blank_before_the_first_field []
        refused(400, "GET / HTTP/1.1\r\n Host: a\r\nHost: a\r\n\r\n");
    rfc9112_2_2_tab_before_the_first_field []
        refused(400, "GET / HTTP/1.1\r\n\tX: a\r\nHost: a\r\n\r\n");
    rfc9112_2_2_only_blanks ["MAL-WHITESPACE-ONLY-LINE"] refused(400, "   \r\n\r\n");
    rfc9112_2_2_binary_garbage ["MAL-BINARY-GARBAGE"]
        refused(400, [&[0x80, 0, 0xff, 7, b'\n', 0x1b, 0xfe, b'\r', b'\n', 1][..]; 25].concat());
    rfc9112_2_2_binary_garbage_without_line_ends [] refused(400, [0x80, 0, 0xff, 7, 0x1b, 0xfe].repeat(40));
    rfc9112_2_2_a_tls_handshake [] refused(400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
    rfc9112_2_2_nothing_at_all ["MAL-EMPTY-REQUEST"] cut("");
    rfc9112_2_2_a_head_that_is_cut_off ["MAL-INCOMPLETE-REQUEST"] cut("GET / HTTP/1.1\r\nHost: a\r\nX-Te");
    rfc9112_2_2_a_request_line_that_is_cut_off [] cut("GET /smuggled/-------- HT");
    rfc9112_2_2_a_head_without_its_empty_line [] cut("GET /smuggled/-------- HTTP/1.1\r\nHost: a\r\n");
    rfc9112_3_two_blanks_after_the_method ["RFC9112-3-MULTI-SP-REQUEST-LINE"]
        refused(400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc9112_3_two_blanks_before_the_version [] refused(400, "GET /  HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc9112_3_blank_before_the_method [] refused(400, " GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc9112_3_blank_behind_the_version [] refused(400, "GET / HTTP/1.1 \r\nHost: a\r\n\r\n");
    rfc9112_3_tab_after_the_method ["COMP-REQUEST-LINE-TAB"]
        refused(400, "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc9112_3_tab_before_the_version [] refused(400, "GET /\tHTTP/1.1\r\nHost: a\r\n\r\n");
    rfc9112_3_no_target ["RFC9112-3-MISSING-TARGET"] refused(400, "GET HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc9112_3_a_blank_for_a_target [] refused(400, "GET   HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc9112_3_no_method [] refused(400, "/ HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc9112_3_a_fourth_word [] refused(400, "GET / HTTP/1.1 GET\r\nHost: a\r\n\r\n");
    rfc9112_3_1_a_method_that_is_no_token [] refused(400, "GE(T / HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc9112_3_1_nul_in_the_method [] refused(400, b"GE\0T / HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc9112_3_1_a_method_outside_ascii [] refused(400, b"G\xc3\x8bT / HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc9112_3_a_request_behind_a_broken_one_is_not_executed []
        refused(400, format!("GET / HTTP/1.1\nHost: a\n\n{SMUGGLED}"));
}
