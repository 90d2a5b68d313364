//! Request targets (RFC 9112 section 3.2, RFC 3986).

use crate::case::{Case, get, kept, refused};

/// `https` to a server that speaks no TLS, with these field lines.
fn https(fields: &str) -> String {
    format!("GET https://a/ HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

fn misdirected(fields: &str) -> Case {
    refused(421, https(fields))
}

cases! {
    rfc9112_3_2_1_a_path_and_a_query [] kept(&[200], "GET /query?q=a%20b&x HTTP/1.1\r\nHost: a\r\n\r\n")
        .check(|answer| assert_eq!(answer.text(), "a b"));
    rfc9112_3_2_1_an_empty_query [] kept(&[200], "GET /? HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc9112_3_2_1_a_question_mark_in_the_query []
        kept(&[200], "GET /query?q=a?b HTTP/1.1\r\nHost: a\r\n\r\n")
            .check(|answer| assert_eq!(answer.text(), "a?b"));
    rfc9112_3_2_1_a_path_without_its_slash [] refused(400, "GET path HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc9112_3_2_1_only_a_query [] refused(400, "GET ?q=a HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc9112_3_2_2_absolute_form ["COMP-ABSOLUTE-FORM"]
        kept(&[200], "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc9112_3_2_2_absolute_form_without_a_path [] kept(&[200], "GET http://a HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc9112_3_2_2_absolute_form_with_a_port_and_a_query []
        kept(&[200], "GET HTTP://a:80/query?q=b HTTP/1.1\r\nHost: a:80\r\n\r\n")
            .check(|answer| assert_eq!(answer.text(), "b"));
    rfc9112_3_2_2_absolute_form_overrides_host ["SMUG-ABSOLUTE-URI-HOST-MISMATCH"]
        kept(&[200], "GET http://other.example/ HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc9112_3_2_2_absolute_form_needs_a_host_field []
        refused(400, "GET http://a/ HTTP/1.1\r\n\r\n");
    rfc9112_3_2_2_absolute_form_without_an_authority []
        refused(400, "GET http:/// HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc9110_4_2_1_absolute_form_with_nothing_but_a_port []
        refused(400, "GET http://:80/ HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc9112_3_a_quotation_mark_in_the_query []
        refused(400, "GET /query?q=\"a\" HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc9112_3_angle_brackets_in_the_path [] refused(400, "GET /<a> HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc9112_3_2_2_absolute_form_with_a_user []
        refused(400, "GET http://user@a/ HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc9112_3_2_2_another_scheme [] refused(400, "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc9112_3_2_3_authority_form_is_for_connect []
        refused(400, "GET a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n");
    rfc9112_3_2_4_asterisk_form ["COMP-OPTIONS-STAR"]
        kept(&[204], "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc9112_3_2_4_asterisk_form_is_for_options ["COMP-ASTERISK-WITH-GET"]
        refused(400, "GET * HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc9112_3_2_4_an_asterisk_and_more [] refused(400, "OPTIONS *a HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc9112_3_2_a_fragment ["RFC9112-3.2-FRAGMENT-IN-TARGET"]
        refused(400, "GET /path#part HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc9112_3_2_a_fragment_behind_the_query []
        refused(400, "GET /query?q=a#part HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc9112_3_2_a_blank_in_the_target ["COMP-SPACE-IN-TARGET"]
        refused(400, "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc9112_3_2_a_tab_in_the_target [] refused(400, "GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc9112_3_2_nul_in_the_target ["MAL-NUL-IN-URL"]
        refused(400, b"GET /\0a HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc9112_3_2_a_control_character_in_the_target []
        refused(400, b"GET /\x01a HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc9112_3_2_delete_in_the_target [] refused(400, b"GET /\x7fa HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc9112_3_utf8_in_the_path ["MAL-NON-ASCII-URL"]
        refused(400, b"GET /caf\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc9112_3_utf8_in_the_query [] refused(400, b"GET /query?q=\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc9112_3_latin1_in_the_path [] refused(400, b"GET /caf\xe9 HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc3629_3_overlong_utf8 ["MAL-URL-OVERLONG-UTF8"]
        refused(400, b"GET /\xc0\xaf HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc3986_2_1_an_escape_is_not_decoded_by_the_engine []
        kept(&[200], "GET /path/a%2Fb HTTP/1.1\r\nHost: a\r\n\r\n")
            .check(|answer| assert_eq!(answer.text(), "a%2Fb"));
    rfc9110_7_4_https_on_a_plain_connection [] misdirected("");
    rfc9110_7_4_https_and_a_hop_that_says_http [] misdirected("X-Forwarded-Proto: http\r\n");
    rfc9110_7_4_https_and_two_words [] misdirected("X-Forwarded-Proto: https\r\nX-Forwarded-Proto: http\r\n");
    rfc9110_7_4_https_and_a_list_of_words [] misdirected("X-Forwarded-Proto: https, http\r\n");
    rfc9110_7_4_https_by_the_word_of_anybody [] misdirected("X-Forwarded-Proto: https\r\n").on_tcp();
    rfc9110_7_4_https_by_the_word_of_the_hop []
        kept(&[200], https("X-Forwarded-Proto: https\r\n")).on_unix();
    rfc9110_7_4_the_word_changes_nothing_in_origin_form [] kept(&[200], get("X-Forwarded-Proto: https\r\n"));
    rfc3986_2_1_no_digits_in_the_query [] refused(400, "GET /query?q=%zz HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc3986_2_1_one_digit_in_the_query [] refused(400, "GET /query?q=%4 HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc3986_2_1_no_digits_in_the_path [] refused(400, "GET /path/%zz HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc3986_2_1_one_digit_in_the_path [] refused(400, "GET /path/%4?q HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc3986_2_1_a_percent_sign_at_the_end [] refused(400, "POST /% HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc3986_2_1_a_broken_escape_in_absolute_form []
        refused(400, "GET http://a/%zz HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc3986_2_1_a_broken_escape_without_a_route []
        refused(400, "PUT /nowhere%g0 HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc3629_3_an_escaped_overlong_form_is_for_the_handler []
        kept(&[400], "GET /query?q=%c0%af HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc3986_3_3_a_backslash ["MAL-URL-BACKSLASH"] refused(400, "GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc3986_3_3_dots_stay_as_they_are []
        kept(&[404], "GET /alive/../smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
    rfc9112_3_what_browsers_send_raw_is_taken []
        kept(&[200], "GET /query?q=[a]|{b}^` HTTP/1.1\r\nHost: a\r\n\r\n")
            .check(|answer| assert_eq!(answer.text(), "[a]|{b}^`"));
}
