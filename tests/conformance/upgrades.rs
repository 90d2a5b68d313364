//! Upgrade, WebSocket, and fields that an engine without their feature must ignore (RFC 9110 sections 7.8 and
//! 14.2, RFC 6455).

use crate::case::{SMUGGLED, get, kept, last, post};
use crate::client::Answer;

const WEBSOCKET: &str =
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";

fn handshake(version: &str) -> String {
    get(&format!("{WEBSOCKET}Sec-WebSocket-Version: {version}\r\n"))
}

/// What a 426 must say, on a connection that stays.
fn names_the_version(answer: &Answer) {
    assert_eq!(answer.header("sec-websocket-version"), Some("13"));
    assert_eq!(answer.header("upgrade"), Some("websocket"));
    assert_eq!(answer.header("connection"), Some("upgrade"));
}

cases! {
    rfc6455_4_2_2_there_is_no_websocket_here [] kept(&[404], handshake("13"))
        .check(|answer| assert_eq!((answer.header("connection"), answer.header("upgrade")), (None, None)));
    rfc6455_4_2_2_nor_one_on_a_path_without_a_route []
        kept(&[404], handshake("13").replace("GET / ", "GET /nowhere "));
    rfc6455_4_4_another_version ["COMP-UPGRADE-INVALID-VER"]
        kept(&[426], handshake("99")).check(names_the_version);
    rfc6455_4_4_no_version [] kept(&[426], get(WEBSOCKET)).check(names_the_version);
    rfc6455_4_4_two_versions []
        kept(&[426], get(&format!("{WEBSOCKET}Sec-WebSocket-Version: 8\r\nSec-WebSocket-Version: 13\r\n")));
    rfc6455_4_4_a_version_that_closes [] last(&[426], get(&format!("Connection: close\r\n{WEBSOCKET}")));
    rfc6455_4_2_2_what_follows_a_handshake_is_a_request []
        kept(&[404, 426, 200], format!("{}{}{}", handshake("13"), handshake("0"), get("")));
    rfc6455_4_2_2_the_body_of_a_handshake_is_no_request [] kept(
        &[404],
        get(&format!("{WEBSOCKET}Sec-WebSocket-Version: 13\r\nContent-Length: {}\r\n", SMUGGLED.len()))
            + SMUGGLED,
    );
    rfc9110_10_1_1_nobody_asks_for_the_body_of_a_handshake [] last(
        &[426],
        get(&format!("{WEBSOCKET}Content-Length: 5\r\nExpect: 100-continue\r\n")),
    );
    rfc6455_4_1_a_handshake_is_a_get ["COMP-UPGRADE-POST"]
        kept(&[200], post(&format!("{WEBSOCKET}Sec-WebSocket-Version: 13\r\n"), ""));
    rfc9110_7_8_upgrade_without_its_connection_option ["COMP-UPGRADE-MISSING-CONN"]
        kept(&[200], get("Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"));
    rfc9110_7_8_an_unknown_protocol ["COMP-UPGRADE-UNKNOWN"]
        kept(&[200], get("Connection: Upgrade\r\nUpgrade: made-up/1.0\r\n"))
            .check(|answer| assert_eq!(answer.header("upgrade"), None));
    rfc9110_7_8_http_2_in_clear_text []
        kept(&[200], get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"));
    rfc9110_7_8_upgrade_in_http_1_0_is_ignored ["COMP-UPGRADE-HTTP10"]
        last(&[200], format!("GET / HTTP/1.0\r\nHost: a\r\n{WEBSOCKET}Sec-WebSocket-Version: 13\r\n\r\n"));
    rfc9110_14_2_range_with_post_is_ignored ["COMP-RANGE-POST"]
        kept(&[200], post("Content-Length: 5\r\nRange: bytes=0-1\r\n", "hello"))
            .check(|answer| assert_eq!(answer.text(), "hello"));
    rfc9110_14_2_range_with_get_is_ignored []
        kept(&[200], get("Range: bytes=0-1\r\n")).check(|answer| assert_eq!(answer.text(), "home"));
    rfc9110_14_2_a_broken_range_is_ignored ["COMP-RANGE-INVALID"]
        kept(&[200], get("Range: bytes=abc-xyz\r\n"));
    rfc9110_13_1_conditions_are_ignored []
        kept(&[200], get("If-None-Match: *\r\nIf-Modified-Since: nonsense\r\n"));
    rfc9110_8_3_an_unknown_content_type_is_for_the_handler ["COMP-POST-UNSUPPORTED-CT"]
        kept(&[200], post("Content-Length: 5\r\nContent-Type: application/x-nonsense\r\n", "hello"));
    rfc9110_12_5_1_an_unknown_accept_is_for_the_handler ["COMP-ACCEPT-NONSENSE"]
        kept(&[200], get("Accept: application/x-nonsense\r\n"));
}
