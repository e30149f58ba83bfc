use std::io::Write as _;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use proptest::prelude::*;

use super::*;
use crate::view::body_view;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::default());
    out.write_all(bytes).expect("into memory");
    out.finish().expect("into memory")
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut out = ZlibEncoder::new(Vec::new(), Compression::default());
    out.write_all(bytes).expect("into memory");
    out.finish().expect("into memory")
}

fn raw_deflate(bytes: &[u8]) -> Vec<u8> {
    let mut out = DeflateEncoder::new(Vec::new(), Compression::default());
    out.write_all(bytes).expect("into memory");
    out.finish().expect("into memory")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

/// `{"a":"hello"}`, as it is written.
const BROTLI: &[u8] = &[
    0x0b, 0x06, 0x80, 0x7b, 0x22, 0x61, 0x22, 0x3a, 0x22, 0x68, 0x65, 0x6c, 0x6c, 0x6f, 0x22, 0x7d,
    0x03,
];

fn headers(coding: &str) -> HeaderList {
    HeaderList(vec![("content-encoding".into(), coding.as_bytes().to_vec())])
}

fn shown(body: &Body, coding: &str) -> (String, Option<&'static str>, Option<u64>) {
    let view = body_view(body, &headers(coding));
    assert_eq!(view.body_truncated, view.body_size.is_some());
    (serde_json::to_string(&view.body).expect("JSON"), view.body_encoding, view.body_size)
}

#[test]
fn codings_are_undone_the_last_first() {
    let json = br#"{"a": 1.0}"#;
    let members = [gzip(&json[..4]), gzip(&json[4..])].concat();
    let skippable = [&[0x52, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9][..], &zstd(json)].concat();
    for (coding, bytes) in [
        ("gzip", gzip(json)),
        ("X-GZip", gzip(json)),
        ("gzip", members),
        ("deflate", zlib(json)),
        ("deflate", raw_deflate(json)),
        ("zstd", zstd(json)),
        ("zstd", [zstd(&json[..3]), zstd(&json[3..])].concat()),
        ("zstd", skippable),
        ("deflate, gzip", gzip(&zlib(json))),
        ("gzip, identity ,zstd", zstd(&gzip(json))),
        ("identity", json.to_vec()),
    ] {
        let body = Body::complete(bytes);
        assert_eq!(shown(&body, coding), (r#"{"a": 1.0}"#.into(), None, None), "{coding}");
    }
    // `{"a":"` + 30 times `hello ` + `"}`, by the reference encoder.
    let compressed = [
        27, 187, 0, 248, 29, 9, 118, 236, 196, 26, 70, 39, 206, 177, 20, 217, 235, 107, 157, 176,
        50, 52, 201, 6, 242, 86, 146, 8, 24, 7, 20, 141, 112, 28, 3,
    ];
    let (text, encoding, _) = shown(&Body::complete(compressed), "br");
    assert_eq!((text, encoding), (format!(r#"{{"a":"{}"}}"#, "hello ".repeat(30)), None));
    let (text, encoding, _) = shown(&Body::complete(BROTLI), "br");
    assert_eq!((text.as_str(), encoding), (r#"{"a":"hello"}"#, None));
}

#[test]
fn what_cannot_be_undone_stays_as_it_is() {
    let whole = gzip(b"hello hello hello");
    let cut_short = whole[..whole.len() - 4].to_vec();
    let mut damaged = whole.clone();
    *damaged.last_mut().expect("bytes") ^= 1;
    for (coding, bytes) in [
        ("gzip", cut_short),
        ("gzip", damaged),
        ("gzip", b"plain".to_vec()),
        ("br", vec![0xff; 40]),
        ("zstd", b"plain".to_vec()),
        ("compress", b"plain".to_vec()),
        ("REDACTED", b"plain".to_vec()),
        ("gzip, aes128gcm", whole.clone()),
        ("gzip,gzip,gzip,gzip,gzip", whole),
    ] {
        let (_, encoding, size) = shown(&Body::complete(bytes.clone()), coding);
        assert_eq!((encoding, size), (Some("base64"), None), "{coding}");
        let body = Body::complete(bytes);
        let decoded = decoded_bytes(&body, &headers(coding)).is_encoded;
        assert!(decoded, "{coding}");
    }
}

#[test]
fn a_cut_body_is_shown_as_far_as_it_goes() {
    let text: String = (0..2000).map(|n| format!("line {n}\n")).collect();
    for (coding, bytes) in [("gzip", gzip(text.as_bytes())), ("deflate", zlib(text.as_bytes()))] {
        let size = bytes.len() as u64;
        let cut = bytes[..bytes.len() / 2].to_vec();
        let body = Body { size, state: BodyState::Truncated, ..Body::complete(cut) };
        let (shown, encoding, told) = shown(&body, coding);
        let shown: String = serde_json::from_str(&shown).expect("a text");
        assert!(text.starts_with(&shown) && shown.len() > 100, "{coding}: {}", shown.len());
        assert_eq!((encoding, told), (Some("text"), Some(size)));
    }
}

#[test]
fn a_bomb_ends_at_eight_times_the_limit() {
    let bomb = gzip(&vec![b'x'; 8 << 20]);
    let stacked = gzip(&bomb);
    for (coding, bytes) in [("gzip", bomb), ("gzip, gzip", stacked)] {
        let body = Body { limit: 1000, ..Body::complete(bytes) };
        let wire_size = body.size;
        let decoded = decoded_bytes(&body, &headers(coding));
        assert!(decoded.is_cut && !decoded.is_encoded && decoded.wire_size == wire_size);
        assert!(decoded.bytes.len() <= 8000, "{}", decoded.bytes.len());
        let (_, encoding, size) = shown(&body, coding);
        assert_eq!((encoding, size), (Some("text"), Some(wire_size)));
    }
    let exact = Body { limit: 1000, ..Body::complete(gzip(&[b'x'; 8000])) };
    assert!(!decoded_bytes(&exact, &headers("gzip")).is_cut);
}

#[test]
fn what_is_decoded_already_and_what_was_left_out() {
    let body = Body { decoded: true, ..Body::complete("{}") };
    assert_eq!(shown(&body, "gzip"), ("{}".into(), None, None));
    let body = Body { state: BodyState::Redacted, ..Body::complete("secret") };
    let decoded = decoded_bytes(&body, &headers("br"));
    assert!(decoded.bytes.is_empty() && decoded.is_cut);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn any_bytes_are_shown_and_always_alike(
        bytes in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..300),
            proptest::collection::vec(any::<u8>(), 0..300).prop_map(|b| gzip(&b)),
            proptest::collection::vec(any::<u8>(), 0..300).prop_map(|b| zstd(&b)),
        ],
        flips in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..4),
        keep in 0..400_usize,
        coding in "(gzip|deflate|br|zstd|identity|x)(, ?(gzip|deflate|br|zstd))?",
        kind in prop_oneof![
            Just(Vec::new()),
            proptest::collection::vec(any::<u8>(), 0..40),
            "(text/plain|application/json|multipart/form-data|application/x-www-form-urlencoded)(; ?charset=(utf-16|shift_jis|windows-1252|utf-16be|iso-2022-jp|gb18030|x-user-defined|latin1|x))?"
                .prop_map(String::into_bytes),
        ],
        state in prop_oneof![
            Just(BodyState::Complete), Just(BodyState::Truncated),
            Just(BodyState::OverBudget), Just(BodyState::Redacted)
        ],
        limit in 0..200_u64,
        decoded in any::<bool>(),
    ) {
        let mut bytes = bytes;
        for (at, byte) in flips {
            let n = bytes.len().max(1);
            if let Some(place) = bytes.get_mut(at % n) {
                *place ^= byte;
            }
        }
        bytes.truncate(keep);
        let size = bytes.len() as u64 + u64::from(state != BodyState::Complete);
        let body = Body { bytes, size, state, limit, decoded, ..Body::none() };
        let mut fields = headers(&coding);
        fields.0.push(("content-type".into(), kind));
        let view = || {
            let view = body_view(&body, &fields);
            let json = serde_json::to_string(&view.body).expect("always JSON");
            (json, view.body_encoding, view.body_truncated, view.body_size)
        };
        let first = view();
        serde_json::from_str::<serde::de::IgnoredAny>(&first.0).expect("valid");
        prop_assert_eq!(&first, &view());
    }
}
