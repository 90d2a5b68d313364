//! Content-Length (RFC 9110 section 8.6, RFC 9112 sections 6.2 and 6.3).

use crate::case::{Case, SMUGGLED, cut, get, kept, post, refused};

/// A length as it stands behind its colon, and a body of five bytes.
fn length(value: &str) -> String {
    post(&format!("Content-Length:{value}\r\n"), "hello")
}

fn refused_length(value: &str) -> Case {
    refused(400, length(value))
}

cases! {
    rfc9112_6_2_a_body_of_its_length ["COMP-POST-CL-BODY"] kept(&[200], length(" 5"))
        .check(|answer| assert_eq!(answer.text(), "hello"));
    rfc9112_6_2_a_length_of_zero ["COMP-POST-CL-ZERO"] kept(&[200], post("Content-Length: 0\r\n", ""))
        .check(|answer| assert_eq!(answer.text(), ""));
    rfc9112_6_3_no_length_is_no_body ["COMP-POST-NO-CL-NO-TE"] kept(&[200], post("", ""))
        .check(|answer| assert_eq!(answer.text(), ""));
    rfc9112_6_2_a_length_without_a_blank [] kept(&[200], length("5"));
    rfc9112_6_2_a_body_in_two_parts []
        kept(&[], post("Content-Length: 5\r\n", "he")).then(&[200], "llo")
            .check(|answer| assert_eq!(answer.text(), "hello"));
    rfc9112_6_2_what_follows_the_body_is_the_next_request []
        kept(&[200, 200], format!("{}{}", length(" 5"), get("")));
    rfc9112_6_3_a_body_that_is_cut_off ["COMP-POST-CL-UNDERSEND"]
        cut("POST /smuggled/-------- HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello");
    rfc9112_6_3_a_body_that_never_begins []
        cut("POST /smuggled/-------- HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n");
    rfc9112_6_3_a_huge_body_that_never_comes ["MAL-POST-CL-HUGE-NO-BODY"]
        cut("POST /smuggled/-------- HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999\r\n\r\n");
    rfc9112_6_3_the_hugest_body_that_never_comes []
        cut("POST /smuggled/-------- HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551615\r\n\r\n");
    rfc9112_6_3_letters ["RFC9112-6.1-CL-NON-NUMERIC"] refused_length(" abc");
    rfc9112_6_3_a_digit_and_a_letter [] refused_length(" 5a");
    rfc9110_8_6_a_plus_sign ["RFC9112-6.1-CL-PLUS-SIGN"] refused_length(" +5");
    rfc9110_8_6_a_minus_sign ["SMUG-CL-NEGATIVE"] refused_length(" -1");
    rfc9110_8_6_minus_zero ["SMUG-CL-NEGATIVE-ZERO"] refused_length(" -0");
    rfc9110_8_6_an_underscore ["SMUG-CL-UNDERSCORE"] refused_length(" 1_0");
    rfc9110_8_6_an_octal_prefix ["SMUG-CL-OCTAL"] refused_length(" 0o5");
    rfc9110_8_6_a_hexadecimal_prefix ["SMUG-CL-HEX-PREFIX"] refused_length(" 0x5");
    rfc9110_8_6_a_fraction [] refused_length(" 5.0");
    rfc9110_8_6_an_exponent [] refused_length(" 5e0");
    rfc9110_8_6_quotes [] refused_length(" \"5\"");
    rfc9110_8_6_a_blank_between_digits ["SMUG-CL-INTERNAL-SPACE"] refused_length(" 1 0");
    rfc9110_8_6_an_empty_length ["MAL-CL-EMPTY"] refused_length(" ");
    rfc9110_8_6_a_length_past_64_bits ["MAL-CL-OVERFLOW"] refused_length(" 99999999999999999999");
    rfc9110_8_6_a_length_that_wraps_to_five [] refused_length(" 18446744073709551621");
    rfc9110_8_6_digits_that_are_not_ascii [] refused_length(" \u{665}");
    rfc9110_8_6_a_leading_zero ["SMUG-CL-LEADING-ZEROS"] refused_length(" 005");
    rfc9110_8_6_two_zeros ["SMUG-CL-DOUBLE-ZERO"] refused(400, post("Content-Length: 00\r\n", ""));
    rfc9110_8_6_a_length_like_an_octal_number ["SMUG-CL-LEADING-ZEROS-OCTAL"]
        refused(400, post("Content-Length: 0200\r\n", &"a".repeat(200)));
    rfc9110_5_5_a_blank_behind_the_length ["SMUG-CL-TRAILING-SPACE"] kept(&[200], length(" 5 "));
    rfc9110_5_5_two_blanks_before_the_length ["SMUG-CL-EXTRA-LEADING-SP"] kept(&[200], length("  5"));
    rfc9110_5_6_3_a_tab_before_the_length ["MAL-CL-TAB-BEFORE-VALUE"] kept(&[200], length("\t5"));
    rfc9112_6_3_two_different_lengths ["SMUG-DUPLICATE-CL"]
        refused(400, post("Content-Length: 5\r\nContent-Length: 10\r\n", "helloworld"));
    rfc9112_6_3_the_same_length_twice []
        refused(400, post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"));
    rfc9112_6_3_a_list_of_different_lengths ["SMUG-CL-COMMA-DIFFERENT"] refused_length(" 5, 10");
    rfc9112_6_3_a_list_of_one_length_twice ["SMUG-CL-COMMA-SAME"] refused_length(" 5, 5");
    rfc9112_6_3_a_list_of_one_length_three_times ["SMUG-CL-COMMA-TRIPLE"] refused_length(" 5,5,5");
    rfc9112_6_3_a_list_with_an_empty_element [] refused_length(" 5,");
    rfc9112_6_3_a_broken_length_on_a_get []
        refused(400, format!("{}{SMUGGLED}", get("Content-Length: x\r\n")));
}
