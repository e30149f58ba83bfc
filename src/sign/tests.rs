use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::*;
use crate::model::{Format, Scheme, Secret};

const TOLERANCE: Duration = Duration::from_secs(300);

/// Secret, id, timestamp, body, `webhook-signature`: the Standard Webhooks libraries' own vectors.
const VECTORS: [(&str, &str, u64, &str, &str); 2] = [
    (
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1_614_265_330,
        r#"{"test": 2432232314}"#,
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    ),
    (
        "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
        "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
        1_649_367_553,
        r#"{"email":"test@example.com","username":"test_user"}"#,
        "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
    ),
];

#[test]
fn standard_gives_the_published_signatures() {
    for (secret, id, secs, body, expected) in VECTORS {
        let made = headers(&[Scheme::Standard], &Secret::new(secret), id, secs, body.as_bytes());
        let expected = HeaderValue::from_static(expected);
        assert_eq!(made, Ok(vec![(HeaderName::from_static("webhook-signature"), expected)]));
    }
}

#[test]
fn sha256_gives_githubs_published_signature() {
    let secret = Secret::new("It's a Secret to Everybody");
    let made = headers(&[Scheme::Sha256], &secret, "id", 1, b"Hello, World!");
    let expected = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let expected = HeaderValue::from_static(expected);
    assert_eq!(made, Ok(vec![(HeaderName::from_static("x-webhook-signature"), expected)]));
}

#[test]
fn a_key_is_decoded_only_after_its_prefix() {
    for (text, error) in [
        ("", KeyError::Empty),
        ("whsec_", KeyError::Empty),
        ("whsec_not base64!", KeyError::NotBase64),
        ("whsec_QQ", KeyError::NotBase64),
    ] {
        assert_eq!(Key::parse(&Secret::new(text)).err(), Some(error), "{text}");
    }
    // "QQ==" is "A" after the prefix, and itself without it.
    let sign = |secret: &str| headers(&[Scheme::Sha256], &Secret::new(secret), "id", 1, b"body");
    assert_eq!(sign("whsec_QQ=="), sign("A"));
    assert_ne!(sign("QQ=="), sign("A"));
    assert!(!format!("{:?}", Key::parse(&Secret::new("hidden"))).contains("hidden"));
}

/// The headers of the first vector, with changes; `None` removes one.
fn received(changes: &[(&'static str, Option<&str>)]) -> HeaderMap {
    let (_, id, secs, _, signature) = VECTORS[0];
    let mut headers = HeaderMap::new();
    headers.insert("webhook-id", HeaderValue::from_str(id).expect("valid"));
    headers.insert("webhook-timestamp", HeaderValue::from(secs));
    headers.insert("webhook-signature", HeaderValue::from_str(signature).expect("valid"));
    for &(name, value) in changes {
        match value {
            Some(value) => {
                headers.insert(name, HeaderValue::from_str(value).expect("valid"));
            }
            None => {
                headers.remove(name);
            }
        }
    }
    headers
}

fn check(changes: &[(&'static str, Option<&str>)], now_offset: i64) -> Result<(), VerifyError> {
    let (secret, _, secs, body, _) = VECTORS[0];
    let now = secs.saturating_add_signed(now_offset);
    let headers = received(changes);
    verify(Scheme::Standard, &Secret::new(secret), &headers, body.as_bytes(), now, TOLERANCE)
}

#[test]
fn verification_holds_within_the_tolerance_only() {
    assert_eq!(check(&[], 0), Ok(()));
    assert_eq!(check(&[], 300), Ok(()));
    assert_eq!(check(&[], -300), Ok(()));
    assert_eq!(check(&[], 301), Err(VerifyError::TooFar { seconds: 301 }));
    assert_eq!(check(&[], -301), Err(VerifyError::TooFar { seconds: 301 }));
}

#[test]
fn verification_finds_the_one_that_matches_among_others() {
    let good = VECTORS[0].4;
    let many = format!("v1a,bogus v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc= {good} v1,");
    assert_eq!(check(&[("webhook-signature", Some(&many))], 0), Ok(()));
}

#[test]
fn verification_refuses_everything_else() {
    let missing = |name: &'static str| VerifyError::Missing { name: HeaderName::from_static(name) };
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        assert_eq!(check(&[(name, None)], 0), Err(missing(name)), "{name}");
    }
    let good = VECTORS[0].4;
    let version_2 = good.replace("v1", "v2");
    for signature in ["", "v1,", &good[..good.len() - 4], &good[3..], &version_2] {
        let refused = check(&[("webhook-signature", Some(signature))], 0);
        assert_eq!(refused, Err(VerifyError::Mismatch), "{signature}");
    }
    assert_eq!(check(&[("webhook-id", Some("msg_other"))], 0), Err(VerifyError::Mismatch));
    assert_eq!(check(&[("webhook-timestamp", Some("1614265331"))], 0), Err(VerifyError::Mismatch));
    let name = HeaderName::from_static("webhook-timestamp");
    let refused = check(&[("webhook-timestamp", Some("soon"))], 0);
    assert_eq!(refused, Err(VerifyError::Malformed { name }));
}

#[test]
fn both_schemes_verify_what_they_made() {
    let secret = Secret::new("a key of its own");
    for body in [b"".as_slice(), b"{}", &[0xff, 0, b'\n']] {
        let mut map = HeaderMap::new();
        map.insert("webhook-id", HeaderValue::from_static("id"));
        map.insert("webhook-timestamp", HeaderValue::from_static("5"));
        map.extend(headers(&Scheme::ALL, &secret, "id", 5, body).expect("a key"));
        for scheme in Scheme::ALL {
            assert_eq!(verify(scheme, &secret, &map, body, 5, TOLERANCE), Ok(()));
            let other = verify(scheme, &Secret::new("another"), &map, body, 5, TOLERANCE);
            assert_eq!(other, Err(VerifyError::Mismatch));
            let changed = verify(scheme, &secret, &map, b"changed", 5, TOLERANCE);
            assert_eq!(changed, Err(VerifyError::Mismatch));
        }
        for bad in ["sha256=", "sha256=zz", "sha256=abc", "sha1=ab", ""] {
            map.insert("x-webhook-signature", HeaderValue::from_str(bad).expect("valid"));
            assert!(verify(Scheme::Sha256, &secret, &map, body, 5, TOLERANCE).is_err(), "{bad}");
        }
    }
}

#[test]
fn a_secret_is_never_both_shown_and_used_as_a_key() {
    let check =
        |secret, signing, schemes| check_schemes(Format::Exchange, secret, signing, schemes);
    let both = Scheme::ALL.to_vec();
    assert_eq!(check(false, false, None), Ok(vec![]));
    assert_eq!(check(true, false, None), Ok(vec![]), "the only key is shown: nothing is signed");
    assert_eq!(check(false, true, None), Ok(both.clone()));
    assert_eq!(check(true, true, None), Ok(both));
    assert_eq!(check(true, true, Some(&[])), Ok(vec![]));
    assert_eq!(check(true, false, Some(&[])), Ok(vec![]));
    assert_eq!(check(false, true, Some(&[Scheme::Sha256])), Ok(vec![Scheme::Sha256]));
    let shown = check(true, false, Some(&[Scheme::Sha256]));
    assert_eq!(shown, Err(SchemeError::KeyIsShown { format: "exchange" }));
    assert!(shown.is_err_and(|error| error.to_string().contains("signing_secret")));
    let none = check(false, false, Some(&[Scheme::Standard]));
    assert_eq!(none, Err(SchemeError::NoKey { scheme: "standard" }));
    let twice = check(false, true, Some(&[Scheme::Sha256, Scheme::Sha256]));
    assert_eq!(twice, Err(SchemeError::Twice { scheme: "sha256" }));
}

#[test]
fn the_shown_secret_is_no_key_under_another_name() {
    let check = |secret: &str, signing: &str| {
        let (secret, signing) = (Secret::new(secret), Secret::new(signing));
        check_secrets(Format::Exchange, Some(&secret), Some(&signing), None)
    };
    assert_eq!(check("shown", "hidden"), Ok(Scheme::ALL.to_vec()));
    assert_eq!(check("same", "same"), Err(SchemeError::SameSecret { format: "exchange" }));
    assert_eq!(check("A", "whsec_QQ=="), Err(SchemeError::SameSecret { format: "exchange" }));
    assert_eq!(check("shown", "whsec_?"), Err(SchemeError::Key(KeyError::NotBase64)));
}
