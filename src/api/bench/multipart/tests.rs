use std::io::Cursor;

use super::*;

/// Gives so many bytes a read.
struct Trickle<'b>(&'b [u8], usize);

impl Read for Trickle<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.1.min(self.0.len()).min(into.len());
        let (now, later) = self.0.split_at(count);
        into[..count].copy_from_slice(now);
        self.0 = later;
        Ok(count)
    }
}

fn read_all(body: impl Read) -> Result<Vec<(Part, Vec<u8>)>, FormError> {
    let mut form = Form::new(b"b", body);
    let mut found = Vec::new();
    while let Some(part) = form.next_part()? {
        let mut content = Vec::new();
        let bytes = form.content(|piece| content.extend_from_slice(piece))?;
        assert_eq!(bytes, content.len() as u64);
        found.push((part, content));
    }
    Ok(found)
}

fn part(name: &str, filename: Option<&str>, content_type: Option<&str>) -> Part {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    Part { name: name.to_owned(), filename: owned(filename), content_type: owned(content_type) }
}

const TWO: &str = "a preamble\r\n--b \t\r\ncontent-disposition: form-data; name=\"note\"\r\n\r\n\
                   hello\r\n--b\r\n\
                   Content-Type: text/x\r\nX-Other: 1\r\nContent-Disposition: form-data; name=\"file\"; \
                   filename=\"a \\\"b\\\".txt\"\r\n\r\n\r\n-b--\r\n-\r\n--b--\r\nan epilogue";

#[test]
fn rfc_2046_5_1_parts_stand_between_delimiters_however_they_come() {
    let expected = [
        (part("note", None, None), b"hello".to_vec()),
        (part("file", Some("a \"b\".txt"), Some("text/x")), b"\r\n-b--\r\n-".to_vec()),
    ];
    for count in [1, 2, 3, 5, 7, 64, 10_000] {
        let found = read_all(Trickle(TWO.as_bytes(), count)).unwrap();
        assert_eq!(found, expected, "{count} bytes a read");
    }
}

#[test]
fn a_content_of_many_pieces_is_whole() {
    let content: Vec<u8> = (0..=255).cycle().take(3 * PIECE_BYTES + 5).collect();
    let head = b"--b\r\ncontent-disposition: form-data; name=file; filename=x\r\n\r\n".as_slice();
    let body = [head, &content, b"\r\n--b--"].concat();
    let found = read_all(Cursor::new(body)).unwrap();
    assert_eq!(found, [(part("file", Some("x"), None), content)]);
}

#[test]
fn a_part_may_be_skipped_and_a_form_may_have_none() {
    let mut form = Form::new(b"b", TWO.as_bytes());
    assert_eq!(form.next_part().unwrap().unwrap().name, "note");
    assert_eq!(form.next_part().unwrap().unwrap().name, "file");
    assert_eq!(read_all(b"--b--".as_slice()).unwrap(), []);
}

#[test]
fn what_is_broken_is_said_to_be() {
    let head = "--b\r\ncontent-disposition: form-data; name=a";
    for body in [
        String::new(),
        "no boundary".into(),
        "--b".into(),
        "--b\r\n".into(),
        "--bx\r\n".into(),
        format!("{head}\r\n\r\nno end"),
        format!("{head}\r\n\r\nno end\r\n--b"),
        "--b\r\n\r\nno head\r\n--b--".into(),
        "--b\r\ncontent-type: a/b\r\n\r\nno name\r\n--b--".into(),
        "--b\r\ncontent-disposition: attachment; name=a\r\n\r\n\r\n--b--".into(),
        "--b\r\ncontent-disposition: form-data; name=\"a\r\n\r\n\r\n--b--".into(),
        "--b\r\ncontent-disposition: form-data; name=\"a\"b\r\n\r\n\r\n--b--".into(),
        format!("{head}\r\ncontent-disposition: form-data; name=a\r\n\r\n\r\n--b--"),
        format!("{head}\ncontent-type: a/b\n\n\n--b--"),
    ] {
        let refused = read_all(body.as_bytes());
        assert!(matches!(refused, Err(FormError::Malformed(_))), "{body:?}: {refused:?}");
    }
    let latin = [b"--b\r\ncontent-disposition: form-data; name=a; filename=\"".as_slice(), b"\xe9\"\r\n\r\n"];
    assert!(matches!(read_all(latin.concat().as_slice()), Err(FormError::Malformed(_))));
}

#[test]
fn heads_and_parts_are_bounded() {
    let long = format!("--b\r\nx: {}", "x".repeat(3 * PIECE_BYTES));
    assert!(matches!(read_all(long.as_bytes()), Err(FormError::TooLarge(_))));
    let one = "--b\r\ncontent-disposition: form-data; name=a\r\n\r\n\r\n";
    let parts = |count: usize| read_all(format!("{}--b--", one.repeat(count)).as_bytes());
    assert_eq!(parts(PARTS - 1).unwrap().len(), PARTS - 1);
    assert!(matches!(parts(PARTS), Err(FormError::TooLarge(_))));
}

#[test]
fn a_boundary_is_one_of_the_content_type_s_parameters() {
    let found = |text: &str| boundary(text.as_bytes()).map(|found| String::from_utf8(found).unwrap());
    assert_eq!(found("multipart/form-data; boundary=abc").as_deref(), Some("abc"));
    assert_eq!(
        found("Multipart/Form-Data;charset=\"a;b\"; BOUNDARY=\"a b'c\" ; x=1").as_deref(),
        Some("a b'c")
    );
    let long = format!("multipart/form-data; boundary={}", "x".repeat(71));
    for none in [
        "",
        "multipart/form-data",
        "multipart/form-data; boundary",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\"a ",
        "multipart/form-data; boundary=\"a \"",
        "multipart/form-data; boundary=a[b",
        "multipart/mixed; boundary=abc",
        "application/json",
        &long,
    ] {
        assert_eq!(found(none), None, "{none}");
    }
}
