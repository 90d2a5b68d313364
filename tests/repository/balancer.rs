//! nginx's limits beside the server's own: a client is held to the same, and told it in the same words,
//! whichever of the two meets it first. `tests/stack/tls.sh` asks both.

use pouco::http::Status;
use pouco::limits::{BODY_BYTES, HEADER_BYTES};

use crate::workflows::read;

const FILES: [&str; 2] = ["nginx.conf", "deploy/kubernetes/base/files/nginx.conf"];

/// The words of a directive that stands once in the file.
fn directive<'t>(text: &'t str, name: &str) -> Vec<&'t str> {
    let mut found = text.lines().filter_map(|line| line.trim().strip_prefix(name)?.strip_suffix(';'));
    let words = found.next().unwrap_or_else(|| panic!("no {name}")).split_whitespace().collect();
    assert!(found.next().is_none(), "{name} stands twice");
    words
}

fn bytes(size: &str) -> usize {
    size.strip_suffix('k').unwrap().parse::<usize>().unwrap() * 1024
}

#[test]
fn heads_and_bodies_have_one_limit() {
    for path in FILES {
        let text = read(path);
        let [count, size] = directive(&text, "large_client_header_buffers ")[..] else { panic!("{path}") };
        assert_eq!(bytes(size), HEADER_BYTES, "{path}");
        // One may be full of what a client has pipelined before.
        assert!(count.parse::<usize>().unwrap() >= 2, "{path}");
        assert!(bytes(directive(&text, "client_header_buffer_size ")[0]) <= HEADER_BYTES, "{path}");
        assert_eq!(bytes(directive(&text, "client_max_body_size ")[0]), BODY_BYTES, "{path}");
    }
}

#[test]
fn a_head_that_is_too_long_is_refused_in_the_same_words() {
    for path in FILES {
        let text = read(path);
        for (of_nginx, status) in [("414", Status::UriTooLong), ("494", Status::HeaderFieldsTooLarge)] {
            let code = status.code();
            let page = directive(&text, &format!("error_page {of_nginx} "));
            assert_eq!(page, ["=", format!("/.nginx/{code}").as_str()], "{path}");
            let said = format!(r#"return {code} '{{"error":"{}"}}';"#, status.reason().to_ascii_lowercase());
            assert!(text.contains(&said), "{path}: {said}");
        }
    }
}
