//! A request inside another one. Whatever the server makes of the outer one, the inner one must have no
//! answer.

use crate::probe::case::{Case, must};

/// How a Transfer-Encoding field can be written so that some servers see it and others do not.
struct Disguise {
    id: &'static str,
    section: &'static str,
    lines: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Kind {
    /// It says chunked. Beside a Content-Length the connection must end after one answer.
    Chunked,
    /// It is there and does not end in chunked: 400 (501 where the coding is unknown) and the end.
    Broken,
    /// It is no Transfer-Encoding at all, so Content-Length counts.
    Other,
}

const fn disguise(id: &'static str, section: &'static str, lines: &'static str, kind: Kind) -> Disguise {
    Disguise { id, section, lines, kind }
}

// A disguise or a case is a line here, however long: read as columns.

#[rustfmt::skip]
const DISGUISES: &[Disguise] = &[
    disguise("plain", "9112 6.1", "Transfer-Encoding: chunked", Kind::Chunked),
    disguise("upper-case", "9112 7", "TRANSFER-ENCODING: CHUNKED", Kind::Chunked),
    disguise("capital", "9112 7", "Transfer-Encoding: Chunked", Kind::Chunked),
    disguise("no-blank", "9112 5", "Transfer-Encoding:chunked", Kind::Chunked),
    disguise("tab-before", "9110 5.5", "Transfer-Encoding:\tchunked", Kind::Chunked),
    disguise("blanks-after", "9110 5.5", "Transfer-Encoding: chunked \t ", Kind::Chunked),
    disguise("comma-before", "9110 5.6.1", "Transfer-Encoding: , chunked", Kind::Chunked),
    disguise("comma-after", "9110 5.6.1", "Transfer-Encoding: chunked,", Kind::Chunked),
    disguise("unknown-then-chunked", "9112 6.1", "Transfer-Encoding: probe, chunked", Kind::Chunked),
    disguise("identity-then-chunked", "9112 6.1", "Transfer-Encoding: identity, chunked", Kind::Chunked),
    disguise("two-fields-identity-first", "9112 6.1", "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", Kind::Chunked),
    disguise("chunked-twice", "9112 7.1", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", Kind::Chunked),
    disguise("folded", "9112 5.2", "Transfer-Encoding:\r\n chunked", Kind::Chunked),
    disguise("folded-with-tab", "9112 5.2", "Transfer-Encoding:\r\n\tchunked", Kind::Chunked),
    disguise("empty-element-fold", "9112 5.2", "Transfer-Encoding: chunked\r\n ", Kind::Chunked),
    disguise("after-lf", "9112 2.2", "X: y\nTransfer-Encoding: chunked", Kind::Chunked),
    disguise("connection-names-it", "9110 7.6.1", "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked", Kind::Chunked),
    disguise("connection-names-length", "9110 7.6.1", "Connection: Content-Length\r\nTransfer-Encoding: chunked", Kind::Chunked),
    disguise("parameter", "9112 7.1", "Transfer-Encoding: chunked;a=b", Kind::Chunked),
    disguise("chunked-then-identity", "9112 6.3", "Transfer-Encoding: chunked, identity", Kind::Broken),
    disguise("two-fields-chunked-first", "9112 6.3", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", Kind::Broken),
    disguise("two-fields-second-unknown", "9112 6.3", "Transfer-Encoding: chunked\r\nTransfer-encoding: probe", Kind::Broken),
    disguise("two-fields-second-empty", "9112 6.3", "Transfer-Encoding: probe\r\nTransfer-Encoding:", Kind::Broken),
    disguise("identity", "9112 6.3", "Transfer-Encoding: identity", Kind::Broken),
    disguise("empty", "9112 6.3", "Transfer-Encoding:", Kind::Broken),
    disguise("comma-alone", "9112 6.3", "Transfer-Encoding: ,", Kind::Broken),
    disguise("letter-before", "9112 6.3", "Transfer-Encoding: xchunked", Kind::Broken),
    disguise("letter-after", "9112 6.3", "Transfer-Encoding: chunkedx", Kind::Broken),
    disguise("cut-short", "9112 6.3", "Transfer-Encoding: chunke", Kind::Broken),
    disguise("space-within", "9112 6.3", "Transfer-Encoding: chun ked", Kind::Broken),
    disguise("word-before", "9112 6.3", "Transfer-Encoding: x chunked", Kind::Broken),
    disguise("quoted", "9112 6.3", "Transfer-Encoding: \"chunked\"", Kind::Broken),
    disguise("single-quoted", "9112 6.3", "Transfer-Encoding: 'chunked'", Kind::Broken),
    disguise("bracketed", "9112 6.3", "Transfer-Encoding: [chunked]", Kind::Broken),
    disguise("semicolon-before", "9112 6.3", "Transfer-Encoding: ;chunked", Kind::Broken),
    disguise("colon-twice", "9112 6.3", "Transfer-Encoding:: chunked", Kind::Broken),
    disguise("vt-before", "9112 6.3", "Transfer-Encoding: \u{b}chunked", Kind::Broken),
    disguise("ff-before", "9112 6.3", "Transfer-Encoding: \u{c}chunked", Kind::Broken),
    disguise("nul-before", "9110 5.5", "Transfer-Encoding: \0chunked", Kind::Broken),
    disguise("nul-after", "9110 5.5", "Transfer-Encoding: chunked\0", Kind::Broken),
    disguise("nul-within", "9110 5.5", "Transfer-Encoding: chu\0nked", Kind::Broken),
    disguise("cr-after", "9112 2.2", "Transfer-Encoding: chunked\rx", Kind::Broken),
    disguise("delete-after", "9112 6.3", "Transfer-Encoding: chunked\u{7f}", Kind::Broken),
    disguise("no-break-space-before", "9112 6.3", "Transfer-Encoding: \u{a0}chunked", Kind::Broken),
    disguise("obs-text-after", "9112 6.3", "Transfer-Encoding: chunked\u{ff}", Kind::Broken),
    disguise("kelvin-sign", "9112 6.3", "Transfer-Encoding: chun\u{212a}ed", Kind::Broken),
    disguise("space-before-colon", "9112 5.1", "Transfer-Encoding : chunked", Kind::Broken),
    disguise("tab-before-colon", "9112 5.1", "Transfer-Encoding\t: chunked", Kind::Broken),
    disguise("nul-before-colon", "9112 5.1", "Transfer-Encoding\0: chunked", Kind::Broken),
    disguise("vt-before-colon", "9112 5.1", "Transfer-Encoding\u{b}: chunked", Kind::Broken),
    disguise("cr-before-colon", "9112 5.1", "Transfer-Encoding\r: chunked", Kind::Broken),
    disguise("fold-before-colon", "9112 5.1", "Transfer-Encoding\r\n : chunked", Kind::Broken),
    disguise("nul-before-name", "9112 5.1", "\0Transfer-Encoding: chunked", Kind::Broken),
    disguise("space-in-name", "9112 5.1", "Transfer Encoding: chunked", Kind::Broken),
    disguise("no-colon", "9112 5", "Transfer-Encoding chunked", Kind::Broken),
    disguise("equals-for-colon", "9112 5", "Transfer-Encoding=chunked", Kind::Broken),
    disguise("underscore", "9110 5.1", "Transfer_Encoding: chunked", Kind::Other),
    disguise("prefix", "9110 5.1", "X-Transfer-Encoding: chunked", Kind::Other),
    disguise("plural", "9110 5.1", "Transfer-Encodings: chunked", Kind::Other),
    disguise("te", "9110 10.1.4", "TE: chunked", Kind::Other),
    disguise("content-encoding", "9110 8.4", "Content-Encoding: chunked", Kind::Other),
    disguise("within-value", "9110 5.5", "X: Transfer-Encoding: chunked", Kind::Other),
    disguise("folded-into-other", "9112 5.2", "X: y\r\n Transfer-Encoding: chunked", Kind::Other),
    disguise("after-cr", "9112 2.2", "X: y\rTransfer-Encoding: chunked", Kind::Other),
    disguise("after-nul", "9110 5.5", "X: y\0Transfer-Encoding: chunked", Kind::Other),
];

/// Each disguise in the places where seeing it, and not seeing it, would let the inner request out.
pub(crate) fn disguised() -> Vec<Case> {
    let mut cases = Vec::new();
    for disguise in DISGUISES {
        let Disguise { id, section, lines, kind } = disguise;
        let mut add = |shape: &str, sends: String, allowed: &'static str| {
            // Kept for the whole of this short run, like the tables.
            cases.push(must(format!("{shape}-{id}").leak(), section, sends.leak(), allowed));
        };
        let allowed = match kind {
            Kind::Chunked => "own close|none close",
            Kind::Broken => "400/501 close|none close",
            Kind::Other => "own|none close",
        };
        let by_length = "Content-Length: {cl}\r\n";
        add("cl.te", format!("{{post}}{by_length}{lines}\r\n\r\n{{body}}0\r\n\r\n{{hidden}}"), allowed);
        if *kind == Kind::Other {
            continue;
        }
        let chunk = "{body}{hidden.hex}\r\n{/body}{hidden}\r\n0\r\n\r\n";
        add("te.cl", format!("{{post}}{lines}\r\n{by_length}\r\n{chunk}"), allowed);
        if *kind == Kind::Broken {
            add("te.0", format!("{{post}}{lines}\r\n\r\n{{hidden}}"), allowed);
        }
    }
    cases
}

#[rustfmt::skip]
pub(crate) const LENGTHS: &[Case] = &[
    must("cl-0-then-n", "9112 6.3", "{post}Content-Length: 0\r\nContent-Length: {cl}\r\n\r\n{body}{hidden}", "400 close"),
    must("cl-n-then-0", "9112 6.3", "{post}Content-Length: {cl}\r\nContent-Length: 0\r\n\r\n{body}{hidden}", "400 close"),
    must("cl-list-0-n", "9112 6.3", "{post}Content-Length: 0, {cl}\r\n\r\n{body}{hidden}", "400 close"),
    must("cl-list-n-0", "9112 6.3", "{post}Content-Length: {cl},0\r\n\r\n{body}{hidden}", "400 close"),
    must("cl-same-then-other", "9112 6.3", "{post}Content-Length: 0\r\nContent-Length: 0\r\nContent-Length: {cl}\r\n\r\n{body}{hidden}", "400 close"),
    must("cl-n-and-empty", "9112 6.3", "{post}Content-Length: {cl}\r\nContent-Length:\r\n\r\n{body}{hidden}", "400 close"),
    must("cl-empty", "9112 6.3", "{post}Content-Length:\r\n\r\n{hidden}", "400 close"),
    must("cl-plus", "9112 6.3", "{post}Content-Length: +{cl}\r\n\r\n{body}{hidden}", "400 close"),
    must("cl-minus", "9112 6.3", "{post}Content-Length: -{cl}\r\n\r\n{body}{hidden}", "400 close"),
    must("cl-minus-zero", "9112 6.3", "{post}Content-Length: -0\r\n\r\n{hidden}", "400 close"),
    must("cl-hexadecimal", "9112 6.3", "{post}Content-Length: 0x{hidden.hex}\r\n\r\n{hidden}", "400 close"),
    must("cl-exponent", "9112 6.3", "{post}Content-Length: 0e9\r\n\r\n{hidden}", "400 close"),
    must("cl-space-within", "9112 6.3", "{post}Content-Length: 0 {cl}\r\n\r\n{body}{hidden}", "400 close"),
    must("cl-nul-after", "9112 6.3", "{post}Content-Length: 0\0{cl}\r\n\r\n{body}{hidden}", "400 close|none close"),
    must("cl-cr-within", "9112 2.2", "{post}Content-Length: 0\r{cl}\r\n\r\n{body}{hidden}", "400 close|none close"),
    must("cl-vt-within", "9112 6.3", "{post}Content-Length: 0\u{b}{cl}\r\n\r\n{body}{hidden}", "400 close|none close"),
    must("cl-wraps-to-0", "9110 8.6", "{post}Content-Length: 18446744073709551616\r\n\r\n{hidden}", "400/413 close"),
    must("cl-wraps-to-0-of-32-bits", "9110 8.6", "{post}Content-Length: 4294967296\r\n\r\n{hidden}", "400/413 close"),
    must("cl-wraps-to-minus-1", "9110 8.6", "{post}Content-Length: 18446744073709551615\r\n\r\n{hidden}", "400/413 close"),
    must("cl-folded", "9112 5.2", "{post}Content-Length:\r\n {cl}\r\n\r\n{body}{hidden}", "400|own"),
    must("cl-folded-digits", "9112 5.2", "{post}Content-Length: 0\r\n {cl}\r\n\r\n{body}{hidden}", "400 close"),
    must("cl-space-before-colon", "9112 5.1", "{post}Content-Length : {cl}\r\n\r\n{body}{hidden}", "400 close"),
    must("cl-tab-before-colon", "9112 5.1", "{post}Content-Length\t: {cl}\r\n\r\n{body}{hidden}", "400 close"),
    must("cl-nul-before-colon", "9112 5.1", "{post}Content-Length\0: {cl}\r\n\r\n{body}{hidden}", "400 close|none close"),
    must("cl-fold-before-colon", "9112 5.1", "{post}Content-Length\r\n : {cl}\r\n\r\n{body}{hidden}", "400 close"),
    must("cl-second-after-cr", "9112 2.2", "{post}Content-Length: {cl}\r\nX: y\rContent-Length: 0\r\n\r\n{body}{hidden}", "400|own|none close"),
    must("cl-second-after-lf", "9112 2.2", "{post}Content-Length: {cl}\r\nX: y\nContent-Length: 0\r\n\r\n{body}{hidden}", "400 close|none close"),
    must("cl-second-space-before-colon", "9112 5.1", "{post}Content-Length: {cl}\r\nContent-Length : 0\r\n\r\n{body}{hidden}", "400 close"),
    must("cl-no-colon", "9112 5", "{post}Content-Length {cl}\r\n\r\n{body}{hidden}", "400 close|none close"),
    must("cl-wide-digit", "9112 6.3", "{post}Content-Length: \u{ff10}\r\n\r\n{hidden}", "400 close"),
    must("cl-named-by-connection", "9110 7.6.1", "{post}Connection: Content-Length\r\nContent-Length: {cl}\r\n\r\n{body}{hidden}{/body}{lost}", "own 404|own close"),
];

#[rustfmt::skip]
pub(crate) const BODIES: &[Case] = &[
    must("body-of-post", "9112 6.2", "{post}Content-Length: {cl}\r\n\r\n{body}{hidden}{/body}{lost}", "own 404|own close"),
    must("body-of-post-after-pause", "9112 6.2", "{post}Content-Length: {cl}\r\n\r\n{pause 200}{body}{hidden}{/body}{lost}", "own 404|own close"),
    must("body-of-get", "9110 9.3.1", "GET /probe-nowhere HTTP/1.1\r\nHost: {host}\r\nContent-Length: {cl}\r\n\r\n{body}{hidden}{/body}{lost}", "4xx 404|4xx close"),
    must("body-of-get-in-chunks", "9110 9.3.1", "GET /probe-nowhere HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n{hidden.hex}\r\n{hidden}\r\n0\r\n\r\n{lost}", "4xx 404|4xx close"),
    must("body-of-head", "9110 9.3.2", "HEAD /probe-nowhere HTTP/1.1\r\nHost: {host}\r\nContent-Length: {cl}\r\n\r\n{body}{hidden}{/body}{lost}", "4xx 404|4xx close").head(0),
    must("body-of-options", "9110 9.3.7", "OPTIONS /probe-nowhere HTTP/1.1\r\nHost: {host}\r\nContent-Length: {cl}\r\n\r\n{body}{hidden}{/body}{lost}", "any 404|any close"),
    must("body-of-delete", "9110 9.3.5", "DELETE /probe-nowhere HTTP/1.1\r\nHost: {host}\r\nContent-Length: {cl}\r\n\r\n{body}{hidden}{/body}{lost}", "own 404|own close"),
    must("body-of-trace", "9110 9.3.8", "TRACE /probe-nowhere HTTP/1.1\r\nHost: {host}\r\nContent-Length: {cl}\r\n\r\n{body}{hidden}{/body}{lost}", "4xx/501 404|4xx/501 close"),
    must("body-of-connect", "9110 9.3.6", "CONNECT a.example:80 HTTP/1.1\r\nHost: a.example:80\r\nContent-Length: {cl}\r\n\r\n{body}{hidden}{/body}{lost}", "4xx/501 404|4xx/501 close"),
    must("body-of-unknown-method", "9112 6.3", "PROBE {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {cl}\r\n\r\n{body}{hidden}{/body}{lost}", "4xx/501 404|4xx/501 close"),
    must("body-of-nowhere", "9112 6.3", "POST /probe-nowhere HTTP/1.1\r\nHost: {host}\r\nContent-Length: {cl}\r\n\r\n{body}{hidden}{/body}{lost}", "4xx 404|4xx close"),
    must("body-where-none-allowed", "9112 6.3", "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {cl}\r\n\r\n{body}{hidden}{/body}{lost}", "4xx 404|4xx close"),
    must("body-after-the-answer", "9112 9.3", "POST /probe-nowhere HTTP/1.1\r\nHost: {host}\r\nContent-Length: {cl}\r\n\r\n{await}{body}{hidden}{/body}{lost}", "4xx 404|4xx close"),
    must("body-after-the-answer-405", "9112 9.3", "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {cl}\r\n\r\n{await}{body}{hidden}{/body}{lost}", "4xx 404|4xx close"),
    must("body-with-other-content-type", "9112 6.2", "POST {postpath} HTTP/1.1\r\nHost: {host}\r\nContent-Type: text/plain\r\nContent-Length: {cl}\r\n\r\n{body}{hidden}{/body}{lost}", "own 404|own close"),
    must("body-with-content-encoding", "9112 6.2", "{post}Content-Encoding: gzip\r\nContent-Length: {cl}\r\n\r\n{body}{hidden}{/body}{lost}", "own 404|own close"),
    must("body-too-large", "9110 15.5.14", "{post}Content-Length: 99999999\r\n\r\n{hidden}{hidden}", "4xx close|none"),
    must("body-too-large-sent", "9110 15.5.14", "{post}Content-Length: {cl}\r\n\r\n{body}{ *300000}{hidden}", "4xx close|4xx"),
    must("chunks-too-large-sent", "9110 15.5.14", "{post}Transfer-Encoding: chunked\r\n\r\n493e0\r\n{ *300000}\r\n{hidden.hex}\r\n{hidden}\r\n0\r\n\r\n", "4xx close|4xx"),
    must("body-with-expect", "9110 10.1.1", "{post}Expect: 100-continue\r\nContent-Length: {cl}\r\n\r\n{body}{hidden}{/body}{lost}", "100 own 404|own 404|own close|100 own close"),
    must("body-with-expect-get", "9110 10.1.1", "GET /probe-nowhere HTTP/1.1\r\nHost: {host}\r\nExpect: 100-continue\r\nContent-Length: {cl}\r\n\r\n{await}{body}{hidden}{/body}{lost}", "100 4xx 404|4xx 404|4xx close|100 4xx close"),
    must("body-with-expect-nowhere", "9110 10.1.1", "POST /probe-nowhere HTTP/1.1\r\nHost: {host}\r\nExpect: 100-continue\r\nContent-Length: {cl}\r\n\r\n{await}{body}{hidden}{/body}{lost}", "100 4xx 404|4xx 404|4xx close|100 4xx close"),
    must("body-with-odd-expect", "9110 10.1.1", "{post}Expect: y 100-continue\r\nContent-Length: {cl}\r\n\r\n{await}{body}{hidden}{/body}{lost}", "100 own 404|own 404|own close|100 own close"),
    must("body-with-expect-1.0", "9110 10.1.1", "POST {postpath} HTTP/1.0\r\nHost: {host}\r\nConnection: keep-alive\r\nExpect: 100-continue\r\nContent-Length: {cl}\r\n\r\n{body}{hidden}{/body}{lost}", "own 404|own close"),
    must("body-with-upgrade", "9110 7.8", "{post}Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: {cl}\r\n\r\n{body}{hidden}{/body}{lost}", "own 404|own close"),
    must("body-of-1.0-keep-alive", "9112 6.2", "POST {postpath} HTTP/1.0\r\nHost: {host}\r\nConnection: keep-alive\r\nContent-Length: {cl}\r\n\r\n{body}{hidden}{/body}{lost}", "own 404|own close"),
    must("body-prefix-of-next", "9110 9.3.1", "GET /probe-nowhere HTTP/1.1\r\nHost: {host}\r\nContent-Length: {cl}\r\n\r\n{body}GET {path} HTTP/1.1\r\nX: {/body}{lost}", "4xx 404|4xx close"),
    must("te-and-cl-1.0", "9112 6.1", "POST {postpath} HTTP/1.0\r\nHost: {host}\r\nConnection: keep-alive\r\nContent-Length: {cl}\r\nTransfer-Encoding: chunked\r\n\r\n{body}0\r\n\r\n{hidden}", "own close"),
    must("te-1.0", "9112 6.1", "POST {postpath} HTTP/1.0\r\nHost: {host}\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}", "own close"),
    must("te-and-invalid-cl", "9112 6.3", "{post}Content-Length: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}", "own close"),
    must("te-and-cl-with-get", "9112 6.1", "GET /probe-nowhere HTTP/1.1\r\nHost: {host}\r\nContent-Length: {cl}\r\nTransfer-Encoding: chunked\r\n\r\n{body}0\r\n\r\n{hidden}", "4xx close"),
];
