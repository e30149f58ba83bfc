use proptest::prelude::*;

use super::*;

/// What comes of a body that arrives in these pieces: its data, its trailers, what is left behind
/// it; `None` while it has not ended.
type Outcome = Result<Option<(Vec<u8>, Vec<(String, Vec<u8>)>, Vec<u8>)>, ChunkError>;

fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let (mut decoder, mut buf, mut body) = (Decoder::new(), BytesMut::new(), Vec::new());
    let mut end = None;
    for piece in pieces {
        buf.extend_from_slice(piece);
        while end.is_none() {
            match decoder.decode(&mut buf)? {
                Decoded::Data(data) => {
                    assert!(!data.is_empty());
                    body.extend_from_slice(&data);
                }
                Decoded::End(trailers) => end = Some(trailers.unwrap_or_default()),
                Decoded::More => break,
            }
        }
    }
    let Some(trailers) = end else { return Ok(None) };
    let trailers = trailers.iter().map(|(n, v)| (n.to_string(), v.as_bytes().to_vec())).collect();
    Ok(Some((body, trailers, buf.to_vec())))
}

fn whole(text: &[u8]) -> Outcome {
    decode([text])
}

#[test]
fn f9_what_is_chunked() {
    for (text, body, left) in [
        ("5\r\nhello\r\n0\r\n\r\n", "hello", ""),
        ("0\r\n\r\nGET", "", "GET"),
        ("000a;x=\"y;z\"\r\n0123456789\r\n00\r\n\r\n", "0123456789", ""),
        ("1 ;x\r\na\r\n0\t;y\r\n\r\n", "a", ""),
        ("0000000000000001\r\na\r\n0000000000000000\r\n\r\n", "a", ""),
    ] {
        let (data, trailers, rest) = whole(text.as_bytes()).expect(text).expect(text);
        assert_eq!((data, rest), (body.into(), left.into()), "{text}");
        assert!(trailers.is_empty());
    }
}

#[test]
fn f9_what_is_not() {
    for text in [
        "0x5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello\r\n0\r\n\n",
        "5;a\rb\r\nhello\r\n0\r\n\r\n",
        "5;\0\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n\r\n0\r\n\r\n",
        "00000000000000005\r\nhello\r\n0\r\n\r\n",
        "fffffffffffffffff\r\n",
        ";x\r\n",
        "\r\n",
        "0\r\nX : 1\r\n\r\n",
        "0\r\nX: 1\n\r\n",
        "0\r\nX: 1\r\n folded\r\n\r\n",
        "0\r\n: 1\r\n\r\n",
        "0\r\nX: a\0\r\n\r\n",
    ] {
        assert_eq!(whole(text.as_bytes()), Err(ChunkError), "{text:?}");
    }
}

#[test]
fn trailers_keep_their_values_and_their_number() {
    let (body, trailers, rest) =
        whole(b"1\r\na\r\n0\r\nX-Sum: 1\r\nx-sum:\t2 \r\nEmpty:\r\nLatin: \xe9\r\n\r\nrest")
            .expect("sound")
            .expect("whole");
    assert_eq!((body, rest), (b"a".to_vec(), b"rest".to_vec()));
    let of = |name: &str, value: &[u8]| (name.to_owned(), value.to_vec());
    let expected = [of("x-sum", b"1"), of("x-sum", b"2"), of("empty", b""), of("latin", b"\xe9")];
    assert_eq!(trailers, expected);
}

#[test]
fn what_is_not_a_body_is_bounded() {
    let extension = |n: usize| format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(n - 1));
    for cut in [false, true] {
        let run = |text: &str| match cut {
            true => decode(text.as_bytes().chunks(1000)),
            false => whole(text.as_bytes()),
        };
        assert!(run(&extension(EXTENSION_BYTES_MAX)).is_ok_and(|end| end.is_some()));
        assert_eq!(run(&extension(EXTENSION_BYTES_MAX + 1)), Err(ChunkError));
        let many = |n: usize| "1;x\r\na\r\n".repeat(n) + "0\r\n\r\n";
        assert!(run(&many(EXTENSION_BYTES_MAX / 2)).is_ok_and(|end| end.is_some()));
        assert_eq!(run(&many(EXTENSION_BYTES_MAX / 2 + 1)), Err(ChunkError));
        let trailers = |n: usize| "0\r\n".to_owned() + &"X: y\r\n".repeat(n) + "\r\n";
        assert!(run(&trailers(TRAILERS_MAX)).is_ok_and(|end| end.is_some()));
        assert_eq!(run(&trailers(TRAILERS_MAX + 1)), Err(ChunkError));
        let long = format!("0\r\nX: {}\r\n\r\n", "y".repeat(TRAILER_BYTES_MAX));
        assert_eq!(run(&long), Err(ChunkError));
    }
    // Lines that never end.
    for text in ["0".repeat(17), "5;".to_owned() + &"x".repeat(EXTENSION_BYTES_MAX)] {
        assert_eq!(whole(text.as_bytes()), Err(ChunkError));
    }
    let endless = "0\r\nX: ".to_owned() + &"y".repeat(TRAILER_BYTES_MAX);
    assert_eq!(whole(endless.as_bytes()), Err(ChunkError));
}

#[test]
fn what_is_written_is_read_back() {
    let mut out = Vec::new();
    write_chunk_size(&mut out, 26);
    out.extend_from_slice(&[b'x'; 26]);
    out.extend_from_slice(b"\r\n");
    let mut trailers = HeaderMap::new();
    trailers.append("x-sum", HeaderValue::from_static("1"));
    write_last_chunk(&mut out, Some(&trailers));
    assert!(out.starts_with(b"1a\r\n") && out.ends_with(b"\r\n0\r\nx-sum: 1\r\n\r\n"));
    let read = whole(&out).expect("sound").expect("whole");
    assert_eq!(read, (vec![b'x'; 26], vec![("x-sum".into(), b"1".to_vec())], Vec::new()));
}

/// Bytes that are almost a chunked body.
fn almost() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        8 => Just(&b"\r\n"[..]), 6 => Just(&b"1"[..]), 6 => Just(&b"1\r\na\r\n"[..]),
        4 => Just(&b"0\r\n"[..]), 3 => Just(&b"a"[..]), 3 => Just(&b";x=y"[..]),
        2 => Just(&b"X: y\r\n"[..]), 1 => Just(&b"\n"[..]), 1 => Just(&b"\r"[..]),
        1 => Just(&b" "[..]), 1 => Just(&b"\0"[..]), 1 => Just(&b"ffffffffffffffff"[..]),
        1 => Just(&b"-"[..]), 1 => Just(&b"5\r\nhello\r\n0\r\nX: y\r\n\r\n"[..]),
    ];
    prop::collection::vec(token, 0..14).prop_map(|tokens| tokens.concat())
}

proptest! {
    /// However a body arrives, the same comes of it; a mistake may only show earlier than its end.
    #[test]
    fn pieces_change_nothing(text in almost(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4)) {
        let at_once = whole(&text);
        prop_assert_eq!(&decode(text.chunks(1)), &at_once);
        for cut in cuts {
            let (a, b) = text.split_at(cut.index(text.len() + 1));
            prop_assert_eq!(&decode([a, b]), &at_once);
        }
    }

    #[test]
    fn nothing_makes_it_panic(text in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = whole(&text);
    }
}
