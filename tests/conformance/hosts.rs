//! The Host field (RFC 9112 section 3.2, RFC 9110 section 7.2).

use crate::case::{Case, kept, refused};

fn host(value: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: {value}\r\n\r\n")
}

fn refused_host(value: &str) -> Case {
    refused(400, host(value))
}

cases! {
    rfc9112_3_2_no_host ["RFC9112-7.1-MISSING-HOST"] refused(400, "GET / HTTP/1.1\r\n\r\n");
    rfc9112_3_2_no_host_but_other_fields [] refused(400, "GET / HTTP/1.1\r\nX-Host: a\r\n\r\n");
    rfc9112_3_2_two_hosts ["RFC9110-5.4-DUPLICATE-HOST"]
        refused(400, "GET / HTTP/1.1\r\nHost: a\r\nHost: other.example\r\n\r\n");
    rfc9112_3_2_the_same_host_twice ["COMP-DUPLICATE-HOST-SAME"]
        refused(400, "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n");
    rfc9112_3_2_two_hosts_apart_and_in_other_case []
        refused(400, "GET / HTTP/1.1\r\nhost: a\r\nX: b\r\nHOST: a\r\n\r\n");
    rfc9112_3_2_two_hosts_in_http_1_0 [] refused(400, "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n");
    rfc9112_3_2_an_empty_host ["COMP-HOST-EMPTY-VALUE"] refused_host("");
    rfc9112_3_2_a_host_of_blanks [] refused_host("  \t");
    rfc9112_3_2_a_host_with_a_user ["COMP-HOST-WITH-USERINFO"] refused_host("user@a");
    rfc9112_3_2_a_host_with_a_path ["COMP-HOST-WITH-PATH"] refused_host("a/path");
    rfc9112_3_2_a_host_with_a_query [] refused_host("a?b");
    rfc9112_3_2_a_host_with_a_fragment [] refused_host("a#b");
    rfc9112_3_2_a_host_with_a_scheme [] refused_host("http://a");
    rfc9110_7_2_two_hosts_in_one_field ["SMUG-MULTIPLE-HOST-COMMA"] refused_host("a, other.example");
    rfc9110_7_2_a_comma_in_the_host [] refused_host("a,b");
    rfc9110_7_2_a_blank_in_the_host [] refused_host("a b");
    rfc9110_7_2_a_backslash_in_the_host [] refused_host("a\\b");
    rfc9110_7_2_utf8_in_the_host [] refused_host("caf\u{e9}");
    rfc3986_3_2_3_a_port_of_letters [] refused_host("a:http");
    rfc3986_3_2_3_two_ports [] refused_host("a:80:90");
    rfc9110_4_2_1_nothing_but_a_port [] refused_host(":80");
    rfc9110_4_2_1_nothing_but_a_colon [] refused_host(":");
    rfc9110_4_2_1_nothing_but_a_port_in_http_1_0 [] refused(400, "GET / HTTP/1.0\r\nHost: :80\r\n\r\n");
    rfc3986_3_2_2_an_open_bracket [] refused_host("[::1");
    rfc3986_3_2_2_empty_brackets [] refused_host("[]");
    rfc3986_3_2_2_a_name_in_brackets [] refused_host("[a]");
    rfc3986_3_2_2_an_ipv4_address_in_brackets [] refused_host("[127.0.0.1]");
    rfc3986_3_2_2_nine_groups_in_brackets [] refused_host("[1:2:3:4:5:6:7:8:9]");
    rfc3986_3_2_2_two_gaps_in_brackets [] refused_host("[1::2::3]");
    rfc3986_3_2_2_a_zone_in_brackets [] refused_host("[fe80::1%25eth0]");
    rfc3986_3_2_2_a_version_to_come_without_its_dot [] refused_host("[v1]");
    rfc3986_3_2_2_a_version_to_come [] kept(&[200], host("[v1.a:b]:80"));
    rfc3986_3_2_2_an_ipv4_address_within_an_ipv6_address [] kept(&[200], host("[::ffff:127.0.0.1]"));
    rfc9110_7_2_a_name [] kept(&[200], host("www.example-1.com"));
    rfc9110_7_2_a_name_and_a_port [] kept(&[200], host("a:8080"));
    rfc3986_3_2_3_an_empty_port [] kept(&[200], host("a:"));
    rfc3986_3_2_2_an_ipv4_address [] kept(&[200], host("127.0.0.1:9999"));
    rfc3986_3_2_2_an_ipv6_address [] kept(&[200], host("[2001:db8::1]:9999"));
    rfc9110_5_5_blanks_around_the_host [] kept(&[200], host("  a\t"));
}
