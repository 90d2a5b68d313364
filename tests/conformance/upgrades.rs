//! Upgrade, WebSocket, and fields that an engine without their feature must ignore (RFC 9110 sections 7.8 and 14.2,
//! RFC 6455).

use crate::case::{get, kept, last, post, refused};

const WEBSOCKET: &str =
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";

cases! {
    rfc6455_4_2_2_there_is_no_websocket_here []
        refused(501, get(&format!("{WEBSOCKET}Sec-WebSocket-Version: 13\r\n")));
    rfc6455_4_4_nor_one_of_another_version ["COMP-UPGRADE-INVALID-VER"]
        refused(501, get(&format!("{WEBSOCKET}Sec-WebSocket-Version: 99\r\n")));
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
