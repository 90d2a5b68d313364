//! Persistence, methods, Expect, Upgrade, limits, time, HTTP/1.0, robustness.

// A case is a line here, however long: read as columns.

use crate::probe::case::{Case, may, must, should};
use crate::probe::wire::Seen;

#[rustfmt::skip]
pub(crate) const PERSISTENCE: &[Case] = &[
    must("two-in-turn", "9112 9.3", "{plain}{await}{plain}", "ok ok open"),
    must("two-pipelined", "9112 9.3.2", "{plain}{plain}", "ok ok open").exact("200 200 open").rows(&["SMUG-PIPELINE-SAFE"]),
    must("three-pipelined-in-order", "9112 9.3.2", "{plain}GET /probe-nowhere HTTP/1.1\r\nHost: {host}\r\n\r\n{plain}", "ok 404 ok open|ok 404 close"),
    must("post-between-gets", "9112 9.3.2", "{plain}{post}Content-Length: {cl}\r\n\r\n{body}{json}{/body}{plain}", "ok done ok open"),
    must("chunked-between-gets", "9112 9.3.2", "{plain}{post}Transfer-Encoding: chunked\r\n\r\n{chunked}{plain}", "ok done ok open"),
    must("head-between-gets", "9112 9.3.2", "{plain}HEAD {path} HTTP/1.1\r\nHost: {host}\r\n\r\n{plain}", "ok ok ok open").head(1).exact("200 200 200 open"),
    must("second-cut-by-a-pause", "9112 9.3.2", "{plain}GET {path} HT{pause 150}TP/1.1\r\nHost: {host}\r\n\r\n", "ok ok open"),
    should("crlf-between", "9112 2.2", "{plain}\r\n{plain}", "ok ok open", "ok 400"),
    should("crlf-after-body", "9112 2.2", "{post}Content-Length: {cl}\r\n\r\n{body}{json}{/body}\r\n{plain}", "done ok open", "done 400"),
    must("close", "9112 9.6", "{get}Connection: close\r\n\r\n", "ok close").exact("200 close").rows(&["COMP-CONNECTION-CLOSE"]),
    must("close-in-capitals", "9110 7.6.1", "{get}Connection: CLOSE\r\n\r\n", "ok close").exact("200 close"),
    must("close-in-list", "9112 9.6", "{get}Connection: x, close ,y\r\n\r\n", "ok close"),
    must("close-in-second-field", "9112 9.6", "{get}Connection: x\r\nConnection: close\r\n\r\n", "ok close"),
    must("close-beats-keep-alive", "9112 9.3", "{get}Connection: keep-alive, close\r\n\r\n", "ok close"),
    must("nothing-after-close", "9112 9.6", "{get}Connection: close\r\n\r\n{plain}", "ok close"),
    must("close-after-post", "9112 9.6", "{post}Connection: close\r\nContent-Length: {cl}\r\n\r\n{body}{json}", "done close"),
    should("close-is-announced", "9112 9.6", "{get}Connection: close\r\n\r\n", "ok close", "ok close").check(says_close),
    must("option-that-contains-close", "9110 7.6.1", "{get}Connection: closed, x-close\r\n\r\n{plain}", "ok ok open"),
    must("other-option", "9110 7.6.1", "{get}Connection: x-probe\r\n\r\n{plain}", "ok ok open"),
    must("keep-alive-in-1.1", "9112 9.3", "{get}Connection: keep-alive\r\n\r\n{plain}", "ok ok open"),
    may("after-404", "9112 9.3", "GET /probe-nowhere HTTP/1.1\r\nHost: {host}\r\n\r\n{plain}", "404 ok open|404 close"),
];

#[rustfmt::skip]
pub(crate) const METHODS: &[Case] = &[
    must("head", "9110 9.3.2", "HEAD {path} HTTP/1.1\r\nHost: {host}\r\n\r\n", "ok open").head(0).exact("200 open").says(&[("content-length", "4")]).rows(&["COMP-HEAD-NO-BODY"]),
    must("head-then-get", "9110 9.3.2", "HEAD {path} HTTP/1.1\r\nHost: {host}\r\n\r\n{plain}", "ok ok open").head(0).check(same_length),
    must("head-of-nothing", "9110 9.3.2", "HEAD /probe-nowhere HTTP/1.1\r\nHost: {host}\r\n\r\n", "404").head(0).exact("404 open"),
    must("head-malformed", "9110 9.3.2", "HEAD {path} HTTP/1.1\r\n\r\n", "400").head(0),
    should("options", "9110 9.3.7", "OPTIONS {path} HTTP/1.1\r\nHost: {host}\r\n\r\n", "2xx", "404/405/501").check(says_allow).exact("204 open").says(&[("allow", "GET, HEAD, POST, OPTIONS")]).rows(&["COMP-OPTIONS-ALLOW", "COMP-NO-CL-IN-204"]),
    must("options-with-body", "9110 9.3.7", "OPTIONS {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\n\r\nhello{plain}", "any ok open|any close"),
    should("known-method-not-allowed", "9110 15.5.6", "PUT {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n", "405", "404/501/403"),
    should("delete-not-allowed", "9110 15.5.6", "DELETE {path} HTTP/1.1\r\nHost: {host}\r\n\r\n", "405", "404/501/403").exact("405 open").says(&[("allow", "GET, HEAD, POST, OPTIONS")]).rows(&["COMP-405-ALLOW"]),
    should("patch-not-allowed", "9110 15.5.6", "PATCH {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n", "405", "404/501/403"),
    should("post-where-get", "9110 15.5.6", "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n", "405", "404/501/403"),
    must("unallowed-method-reads-body", "9112 9.3", "PUT {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\n\r\nhello{plain}", "4xx/501 ok open|4xx/501 close"),
    should("unknown-method", "9110 9.1", "PROBE {path} HTTP/1.1\r\nHost: {host}\r\n\r\n", "501", "400/405"),
    should("method-is-case-sensitive", "9110 9.1", "Get {path} HTTP/1.1\r\nHost: {host}\r\n\r\n", "501", "400/405"),
    should("method-prefix", "9110 9.1", "GETX {path} HTTP/1.1\r\nHost: {host}\r\n\r\n", "501", "400/405"),
    must("unknown-method-reads-body", "9112 6.3", "PROBE {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\n\r\nhello{plain}", "4xx/501 ok open|4xx/501 close"),
    should("trace", "9110 9.3.8", "TRACE {path} HTTP/1.1\r\nHost: {host}\r\nCookie: secret=probe\r\n\r\n", "405/501", "400/403/404").check(no_echo).exact("501 close").rows(&["COMP-METHOD-TRACE", "COMP-TRACE-SENSITIVE"]),
    should("trace-with-body", "9110 9.3.8", "TRACE {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\n\r\nhello", "400/405/501", "403/404").check(no_echo).exact("501 close").rows(&["COMP-TRACE-WITH-BODY"]),
    should("method-of-all-tchars", "9110 9.1", "!#$%&'*+-.^_`|~ {path} HTTP/1.1\r\nHost: {host}\r\n\r\n", "501", "400/405"),
];

#[rustfmt::skip]
pub(crate) const EXPECT: &[Case] = &[
    must("continue-then-body", "9110 10.1.1", "{post}Expect: 100-continue\r\nContent-Length: {cl}\r\n\r\n{await}{body}{json}", "100 done open|done open|4xx close"),
    should("continue-is-sent", "9110 10.1.1", "{post}Expect: 100-continue\r\nContent-Length: {cl}\r\n\r\n{await}{body}{json}", "100 done open|4xx close", "done|100 done"),
    must("continue-in-odd-case", "9110 10.1.1", "{post}expect: 100-CONTINUE\r\nContent-Length: {cl}\r\n\r\n{await}{body}{json}", "100 done open|done open"),
    must("continue-with-chunks", "9110 10.1.1", "{post}Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n{await}{chunked}", "100 done open|done open|4xx close"),
    must("body-sent-without-waiting", "9110 10.1.1", "{post}Expect: 100-continue\r\nContent-Length: {cl}\r\n\r\n{body}{json}{/body}{plain}", "100 done ok open|done ok open|4xx close"),
    must("continue-without-body", "9110 10.1.1", "{get}Expect: 100-continue\r\n\r\n{plain}", "ok ok open|100 ok ok open|417 close|417 ok open"),
    must("continue-in-1.0", "9110 10.1.1", "POST {postpath} HTTP/1.0\r\nHost: {host}\r\nExpect: 100-continue\r\nContent-Type: application/json\r\nContent-Length: {cl}\r\n\r\n{pause 200}{body}{json}", "done close"),
    may("other-expectation", "9110 10.1.1", "{post}Expect: a-miracle\r\nContent-Length: {cl}\r\n\r\n{body}{json}", "done|417"),
    may("continue-and-other", "9110 10.1.1", "{post}Expect: 100-continue, x\r\nContent-Length: {cl}\r\n\r\n{body}{json}", "done|100 done|417"),
    must("continue-for-malformed", "9112 6.3", "{post}Expect: 100-continue\r\nContent-Length: x\r\n\r\n", "400 close|417 close"),
    should("continue-for-too-large", "9110 10.1.1", "{post}Expect: 100-continue\r\nContent-Length: 99999999999\r\n\r\n", "413 close|417", "100 413|400"),
    must("continue-for-unallowed-method", "9110 10.1.1", "PUT {path} HTTP/1.1\r\nHost: {host}\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n{await}hello{plain}", "4xx/501 ok|100 4xx/501 ok|4xx/501 close"),
];

#[rustfmt::skip]
pub(crate) const UPGRADE: &[Case] = &[
    must("unknown-protocol", "9110 7.8", "{get}Connection: Upgrade\r\nUpgrade: probe/1\r\n\r\n{plain}", "ok ok open|4xx/501"),
    must("h2c", "9110 7.8", "{get}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n{plain}", "ok ok open|4xx/501"),
    must("websocket-where-none-is", "9110 7.8", "{get}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n{plain}", "ok ok open|4xx/501 ok open|4xx/501"),
    must("without-connection-option", "9110 7.8", "{get}Upgrade: websocket\r\n\r\n{plain}", "ok ok open|4xx/501"),
    must("in-1.0", "9110 7.8", "GET {path} HTTP/1.0\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", "ok close|4xx/501 close"),
    must("with-body", "9110 7.8", "{post}Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: {cl}\r\n\r\n{body}{json}{/body}{plain}", "done ok open|4xx/501"),
    must("tls-within-http", "9110 7.8", "OPTIONS * HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: TLS/1.0\r\n\r\n", "2xx/4xx/501"),
];

#[rustfmt::skip]
pub(crate) const LIMITS: &[Case] = &[
    should("line-of-8000-bytes", "9112 3", "GET {path}?{a*7900} HTTP/1.1\r\nHost: {host}\r\n\r\n", "ok", "414"),
    must("target-of-100-kb", "9112 3", "GET /{a*100000} HTTP/1.1\r\nHost: {host}\r\n\r\n", "414|404"),
    must("query-of-1-mb", "9112 3", "GET {path}?{a*1000000} HTTP/1.1\r\nHost: {host}\r\n\r\n", "414|ok"),
    should("method-of-1000-bytes", "9112 3", "{A*1000} {path} HTTP/1.1\r\nHost: {host}\r\n\r\n", "501", "400/405/414/431|none close").exact("501 close"),
    // What has filled the head before its first blank may be no method at all.
    must("method-of-100-kb", "9112 3", "{A*100000} {path} HTTP/1.1\r\nHost: {host}\r\n\r\n", "501|400/405/414/431|none close").exact("400 close").rows(&["MAL-LONG-METHOD"]),
    must("value-of-4-kb", "9110 5.4", "{get}X-Probe: {a*4000}\r\n\r\n", "ok"),
    must("value-of-100-kb", "9110 5.4", "{get}X-Probe: {a*100000}\r\n\r\n", "ok|4xx"),
    must("name-of-100-kb", "9110 5.4", "{get}{a*100000}: 1\r\n\r\n", "ok|4xx"),
    must("host-of-100-kb", "9110 5.4", "GET {path} HTTP/1.1\r\nHost: {a*100000}\r\n\r\n", "ok|4xx"),
    must("50-fields", "9110 5.4", "{get}{X-Probe: 1\r\n*50}\r\n", "ok"),
    must("1000-fields", "9110 5.4", "{get}{X-Probe: 1\r\n*1000}\r\n", "ok|4xx"),
    must("20000-fields", "9110 5.4", "{get}{X-Probe: 1\r\n*20000}\r\n", "ok|4xx"),
    must("line-without-end", "9112 3", "GET /{a*300000}", "4xx close|none"),
    must("field-without-end", "9110 5.4", "{get}X-Probe: {a*300000}", "4xx close|none"),
    must("blanks-without-end", "9110 5.4", "{get}X-Probe:{ *300000}", "4xx close|none"),
    must("body-of-100-gb-announced", "9110 15.5.14", "{post}Content-Length: 100000000000\r\n\r\n", "4xx close|none open"),
    must("body-of-1-mb-sent", "9110 15.5.14", "{post}Content-Length: {cl}\r\n\r\n{body}{json}{ *1000000}", "4xx|done"),
    must("chunk-of-4-gb-announced", "9110 15.5.14", "{post}Transfer-Encoding: chunked\r\n\r\nffffffff\r\n{json}", "4xx close|none"),
    must("chunks-of-1-mb-in-all", "9110 15.5.14", "{post}Transfer-Encoding: chunked\r\n\r\n{20\r\n                                \r\n*32000}", "4xx close|none"),
    must("many-small-chunks", "9110 15.5.14", "{post}Transfer-Encoding: chunked\r\n\r\n{1\r\n \r\n*200000}{chunked}", "4xx close|done"),
    should("extension-of-100-kb", "9112 7.1.1", "{post}Transfer-Encoding: chunked\r\n\r\n{hex};{a*100000}\r\n{json}\r\n0\r\n\r\n", "4xx close|none close", "done"),
    should("extensions-of-1-mb-in-all", "9112 7.1.1", "{post}Transfer-Encoding: chunked\r\n\r\n{1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n \r\n*12000}{chunked}", "4xx close|none close", "done"),
    must("trailer-of-100-kb", "9110 5.4", "{post}Transfer-Encoding: chunked\r\n\r\n{hex}\r\n{json}\r\n0\r\nX: {a*100000}\r\n\r\n", "4xx close|done|none close"),
    must("trailer-of-10000-fields", "9110 5.4", "{post}Transfer-Encoding: chunked\r\n\r\n{hex}\r\n{json}\r\n0\r\n{X: 1\r\n*10000}\r\n", "4xx close|done|none close"),
    may("100000-empty-lines-before", "9112 2.2", "{\r\n*100000}{plain}", "4xx close|none close|ok"),
    must("100-pipelined", "9112 9.3.2", "{GET /probe-nowhere HTTP/1.1\r\nHost: a\r\n\r\n*100}", "404*100 open"),
];

#[rustfmt::skip]
pub(crate) const TIME: &[Case] = &[
    must("head-byte-by-byte", "9112 2.2", "{each 5}{plain}", "ok open"),
    must("post-byte-by-byte", "9112 6.2", "{each 2}{post}Content-Length: {cl}\r\n\r\n{body}{json}", "done open"),
    must("head-in-halves", "9112 2.2", "GET {path} HTTP/1.1\r\nHo{pause 300}st: {host}\r\n\r\n", "ok open"),
    must("cut-within-crlf", "9112 2.2", "GET {path} HTTP/1.1\r{pause 100}\nHost: {host}\r{pause 100}\n\r{pause 100}\n", "ok open"),
    must("cut-within-chunk-size", "9112 7.1", "{post}Transfer-Encoding: chunked\r\n\r\n0{pause 100}00{pause 100}{chunked}", "done open|400 close"),
    must("cut-within-chunk-crlf", "9112 7.1", "{post}Transfer-Encoding: chunked\r\n\r\n1\r{pause 100}\n \r{pause 100}\n{hex}\r\n{json}\r{pause 100}\n0\r\n\r{pause 100}\n", "done open"),
    must("nothing-but-end", "9112 9.5", "{end}", "none close|4xx close").exact("none close").rows(&["MAL-EMPTY-REQUEST"]),
    must("half-a-line-then-end", "9112 8", "GET {path}{end}", "none close|400 close"),
    must("half-a-head-then-end", "9112 8", "{get}X-Probe: 1\r\n{end}", "none close|400 close"),
    may("whole-request-then-end", "9112 9.6", "{plain}{end}", "ok close|none close"),
    may("whole-post-then-end", "9112 9.6", "{post}Content-Length: {cl}\r\n\r\n{body}{json}{end}", "done close|none close"),
    must("half-a-head-unfinished", "9112 9.5", "{get}X-Probe: 1", "none|408 close"),
    must("nothing", "9112 9.5", "", "none|408 close"),
    must("half-a-body-unfinished", "9112 8", "{post}Content-Length: 5000\r\n\r\nhello", "none|4xx close"),
    must("pipelined-then-half", "9112 9.3.2", "{plain}{plain}GET ", "ok ok"),
];

#[rustfmt::skip]
pub(crate) const HTTP_1_0: &[Case] = &[
    must("get", "9112 9.3", "GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n", "ok close").check(no_transfer_coding).exact("200 close").rows(&["COMP-HTTP10-DEFAULT-CLOSE"]),
    must("get-without-host", "9112 3.2", "GET {path} HTTP/1.0\r\n\r\n", "ok close").exact("200 close").rows(&["COMP-HTTP10-NO-HOST"]),
    may("keep-alive", "9112 9.3", "GET {path} HTTP/1.0\r\nHost: {host}\r\nConnection: keep-alive\r\n\r\n", "ok open|ok close").check(no_transfer_coding),
    may("keep-alive-then-next", "9112 9.3", "GET {path} HTTP/1.0\r\nHost: {host}\r\nConnection: keep-alive\r\n\r\n{await}{plain}", "ok ok open|ok close"),
    must("keep-alive-is-answered", "9112 9.3", "GET {path} HTTP/1.0\r\nHost: {host}\r\nConnection: Keep-Alive\r\n\r\n", "ok").check(says_keep_alive_if_open),
    must("nothing-after-without-keep-alive", "9112 9.3", "GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n{plain}", "ok close"),
    must("close-beats-keep-alive", "9112 9.3", "GET {path} HTTP/1.0\r\nHost: {host}\r\nConnection: close, keep-alive\r\n\r\n", "ok close"),
    must("post", "9112 6.2", "POST {postpath} HTTP/1.0\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {cl}\r\n\r\n{body}{json}", "done close"),
    must("post-without-length", "9112 6.3", "POST {postpath} HTTP/1.0\r\nHost: {host}\r\nContent-Type: application/json\r\n\r\n", "any close"),
    must("head", "9110 9.3.2", "HEAD {path} HTTP/1.0\r\nHost: {host}\r\n\r\n", "ok close").head(0),
    must("transfer-encoding", "9112 6.1", "POST {postpath} HTTP/1.0\r\nHost: {host}\r\nContent-Type: application/json\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}", "any close"),
    must("transfer-encoding-with-get", "9112 6.1", "GET {path} HTTP/1.0\r\nHost: {host}\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "any close"),
    must("answer-says-1.1", "9110 6.2", "GET {path} HTTP/1.0\r\n\r\n", "ok close"),
];

#[rustfmt::skip]
pub(crate) const ROBUSTNESS: &[Case] = &[
    should("all-bytes", "9112 2.2", "{all}", "400 close", "4xx/5xx|none close|none"),
    should("all-bytes-then-empty-line", "9112 2.2", "{all}\r\n\r\n", "400 close", "4xx/5xx|none close"),
    must("zeros", "9112 2.2", "{\0*70000}", "4xx close|none close|none"),
    must("letters", "9112 2.2", "{a*70000}", "4xx close|501 close|none close|none"),
    must("lf-only", "9112 2.2", "{\n*5000}", "none|4xx close"),
    must("tls-hello", "9112 2.2", "\u{16}\u{3}\u{1}\0\u{31}\u{1}\0\0\u{2d}\u{3}\u{3}{\u{5a}*32}\0\0\u{2}\u{13}\u{1}\u{1}\0\0\u{2}\0\0\r\n", "400 close|none close"),
    must("http2-preface", "9113 3.4", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0", "400/405/501/505 close|none close"),
    must("http2-preface-then-get", "9113 3.4", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{plain}", "400/405/501/505 close|none close"),
    must("ssh-banner", "9112 2.2", "SSH-2.0-probe\r\n", "400 close|none close"),
    must("proxy-protocol", "9112 2.2", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n{plain}", "400/501/505 close|none close|400"),
    must("redis-command", "9112 2.2", "*1\r\n$4\r\nPING\r\n", "400/501/505 close|none close"),
    must("socks-hello", "9112 2.2", "\u{5}\u{1}\0\r\n\r\n", "400 close|none close"),
    must("utf-16", "9112 2.2", "G\0E\0T\0 \0/\0 \0H\0T\0T\0P\0/\0\u{31}\0.\0\u{31}\0\r\0\n\0\r\0\n\0\r\n\r\n", "400/501 close|none close"),
    must("byte-order-mark", "9112 2.2", "\u{ef}\u{bb}\u{bf}{plain}", "400/501|none close"),
    must("answer-instead-of-request", "9112 2.1", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "400/501/505|none close"),
    must("json-alone", "9112 2.2", "{json}\r\n\r\n", "400/501|none close"),
    must("deep-json", "9110 15.5.1", "{post}Content-Length: {cl}\r\n\r\n{body}{[*30000}", "4xx"),
    must("number-of-many-digits", "9110 15.5.1", "{post}Content-Length: {cl}\r\n\r\n{body}{9*30000}", "4xx"),
    must("body-of-no-utf8", "9110 15.5.1", "{post}Content-Length: {cl}\r\n\r\n{body}\"{\u{ff}*1000}\"", "4xx"),
];

fn says_close(seen: &Seen) -> Result<(), String> {
    let says = seen.answers.last().is_some_and(|answer| answer.has_option("connection", "close"));
    if says { Ok(()) } else { Err("the last answer does not say Connection: close".to_owned()) }
}

/// A client of HTTP/1.0 waits for the end of the connection unless it is told otherwise.
fn says_keep_alive_if_open(seen: &Seen) -> Result<(), String> {
    let says = seen.answers.last().is_some_and(|answer| answer.has_option("connection", "keep-alive"));
    if seen.closed || says { Ok(()) } else { Err("kept open without Connection: keep-alive".to_owned()) }
}

fn no_transfer_coding(seen: &Seen) -> Result<(), String> {
    match seen.answers.first().and_then(|answer| answer.field("transfer-encoding")) {
        Some(coding) => Err(format!("Transfer-Encoding: {coding} to HTTP/1.0")),
        None => Ok(()),
    }
}

fn says_allow(seen: &Seen) -> Result<(), String> {
    match seen.answers.first() {
        Some(answer) if answer.status < 300 && answer.field("allow").is_none() => {
            Err("a good answer to OPTIONS without Allow".to_owned())
        }
        _ => Ok(()),
    }
}

fn same_length(seen: &Seen) -> Result<(), String> {
    let lengths: Vec<_> = seen.answers.iter().map(|answer| answer.field("content-length")).collect();
    match lengths[..] {
        [Some(head), get] if Some(head) != get => Err(format!("HEAD announces {head}, GET {get:?}")),
        _ => Ok(()),
    }
}

fn no_echo(seen: &Seen) -> Result<(), String> {
    let shows =
        seen.answers.iter().any(|answer| crate::answer::find(&answer.body, b"secret=probe").is_some());
    if shows { Err("TRACE shows a cookie".to_owned()) } else { Ok(()) }
}
