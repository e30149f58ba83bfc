//! Verification: what holds, and everything that must not.

use super::*;

/// The headers of a vector, with changes; `None` removes one.
fn received(vector: usize, changes: &[(&'static str, Option<&str>)]) -> HeaderMap {
    let (_, id, secs, _, signature) = VECTORS[vector];
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

/// Verifies vector 0 (`v1`) or 2 (`v1a`), the latter with the public key.
fn check(
    vector: usize,
    changes: &[(&'static str, Option<&str>)],
    now_offset: i64,
) -> Result<(), VerifyError> {
    let (key, _, secs, body, _) = VECTORS[vector];
    let (scheme, key) = match vector {
        2 => (Scheme::StandardEd25519, PUBLIC_KEY),
        _ => (Scheme::Standard, key),
    };
    let now = secs.saturating_add_signed(now_offset);
    let headers = received(vector, changes);
    verify(&scheme, &secret(key), &headers, body.as_bytes(), now, TOLERANCE)
}

#[test]
fn it_holds_within_the_tolerance_only() {
    for vector in [0, 1, 2] {
        assert_eq!(check(vector, &[], 0), Ok(()));
        assert_eq!(check(vector, &[], 300), Ok(()));
        assert_eq!(check(vector, &[], -300), Ok(()));
        assert_eq!(check(vector, &[], 301), Err(VerifyError::TooFar { seconds: 301 }));
        assert_eq!(check(vector, &[], -301), Err(VerifyError::TooFar { seconds: 301 }));
    }
}

#[test]
fn the_one_that_matches_is_found_among_others() {
    for vector in [0, 2] {
        let good = VECTORS[vector].4;
        let many =
            format!("v1a,bogus v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc= {good} v1, v9 v1a,");
        assert_eq!(check(vector, &[("webhook-signature", Some(&many))], 0), Ok(()));
    }
}

#[test]
fn everything_else_is_refused() {
    let missing = |name: &'static str| VerifyError::Missing { name: HeaderName::from_static(name) };
    for vector in [0, 2] {
        for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
            assert_eq!(check(vector, &[(name, None)], 0), Err(missing(name)), "{name}");
        }
        let good = VECTORS[vector].4;
        let (version, encoded) = good.split_once(',').expect("a comma");
        let other_version = format!("v2,{encoded}");
        let unnamed = format!(",{encoded}");
        let alone = format!("{version},");
        let cut = &good[..good.len() - 4];
        for signature in ["", &alone, cut, encoded, &other_version, &unnamed, VECTORS[1].4] {
            let refused = check(vector, &[("webhook-signature", Some(signature))], 0);
            assert_eq!(refused, Err(VerifyError::Mismatch), "{signature}");
        }
        let refused = |name, value| check(vector, &[(name, Some(value))], 0);
        assert_eq!(refused("webhook-id", "msg_other"), Err(VerifyError::Mismatch));
        assert_eq!(refused("webhook-timestamp", "1614265331"), Err(VerifyError::Mismatch));
        let name = HeaderName::from_static("webhook-timestamp");
        for time in ["soon", "", "+1614265330", "-1", "1614265330.0", "99999999999999999999"] {
            let malformed = Err(VerifyError::Malformed { name: name.clone() });
            assert_eq!(refused("webhook-timestamp", time), malformed, "{time}");
        }
    }
}

fn every_scheme() -> Vec<Scheme> {
    let mut schemes = Scheme::NAMED.to_vec();
    for encoding in [SignatureEncoding::Hex, SignatureEncoding::Base64] {
        for content in
            [SignedContent::Body, SignedContent::TimestampBody, SignedContent::IdTimestampBody]
        {
            for algorithm in [SignatureAlgorithm::Sha256, SignatureAlgorithm::Sha512] {
                schemes.push(custom("x-own", "own ", encoding, content, algorithm));
            }
        }
    }
    schemes
}

/// The secret that a receiver has for a scheme.
const fn receivers(scheme: &Scheme) -> &'static str {
    match scheme {
        Scheme::StandardEd25519 => PUBLIC_KEY,
        _ => "a key of its own",
    }
}

#[test]
fn every_scheme_verifies_what_it_made_and_nothing_else() {
    let (hmac, ed25519) = (secret("a key of its own"), secret(PRIVATE_KEY));
    let keys =
        Keys { hmac: Some(&hmac), previous: vec![], ed25519: Some(&ed25519), secret: Some(&hmac) };
    for scheme in every_scheme() {
        for body in [b"".as_slice(), b"{}", &[0xff, 0, b'\n']] {
            let mut map = HeaderMap::new();
            map.insert("webhook-id", HeaderValue::from_static("id"));
            map.insert("webhook-timestamp", HeaderValue::from_static("5"));
            let schemes = std::slice::from_ref(&scheme);
            map.extend(headers(schemes, &keys, "id", 5, body).expect("keys"));
            let key = secret(receivers(&scheme));
            let check =
                |key: &Secret, body: &[u8], now| verify(&scheme, key, &map, body, now, TOLERANCE);
            assert_eq!(check(&key, body, 5), Ok(()), "{scheme:?}");
            let signs_time = scheme != Scheme::Authorization
                && form::Form::of(&scheme).is_none_or(|form| form.content != SignedContent::Body);
            let late = if signs_time { Err(VerifyError::TooFar { seconds: 301 }) } else { Ok(()) };
            assert_eq!(check(&key, body, 306), late, "{scheme:?}");
            let other = secret(match scheme {
                Scheme::StandardEd25519 => "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
                _ => "another",
            });
            assert!(check(&other, body, 5).is_err(), "{scheme:?}");
            if scheme != Scheme::Authorization {
                assert_eq!(check(&key, b"changed", 5), Err(VerifyError::Mismatch), "{scheme:?}");
            }
        }
    }
}

#[test]
fn a_signature_of_another_form_is_refused() {
    let cases: [(Scheme, &[&str]); 4] = [
        (Scheme::Sha256, &["sha256=", "sha256=zz", "sha256=abc", "sha1=ab", ""]),
        (Scheme::Vikunja, &["", "zz", "sha256=ab", "abc"]),
        (Scheme::Github, &["sha256", "sha1=757107ea", ""]),
        (Scheme::Stripe, &["", "t=5", "v1=ab", "t=,v1=ab", "t=5,v1=", "t=5,v0=ab", "t=x,v1=ab"]),
    ];
    for (scheme, texts) in cases {
        for text in texts {
            let mut map = HeaderMap::new();
            map.insert(header_name(&scheme), HeaderValue::from_str(text).expect("valid"));
            let refused = verify(&scheme, &secret("key"), &map, b"", 5, TOLERANCE);
            assert!(refused.is_err(), "{scheme:?} {text}");
        }
    }
}

#[test]
fn stripes_header_may_hold_more_than_we_know() {
    let hex = made(&Scheme::Stripe, "key", "", 5, b"{}").expect("a key").replace("t=5,v1=", "");
    let text = format!("v0=ab, v1=00,t=5,v1={hex},scheme=x");
    let mut map = HeaderMap::new();
    map.insert("stripe-signature", HeaderValue::from_str(&text).expect("valid"));
    assert_eq!(verify(&Scheme::Stripe, &secret("key"), &map, b"{}", 5, TOLERANCE), Ok(()));
}
