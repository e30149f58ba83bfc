use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::*;
use crate::model::{
    CustomScheme, PreviousSecret, Scheme, Secret, SignatureAlgorithm, SignatureEncoding,
    SignedContent, Timestamp, Webhook,
};

mod choice;
mod verifying;

const TOLERANCE: Duration = Duration::from_secs(300);

/// Secret, id, timestamp, body, `webhook-signature`: the Standard Webhooks libraries' own vectors,
/// and Svix's for ed25519.
const VECTORS: [(&str, &str, u64, &str, &str); 3] = [
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
    (
        PRIVATE_KEY,
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1_614_265_330,
        r#"{"test": 2432232314}"#,
        "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==",
    ),
];

const PRIVATE_KEY: &str =
    "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";
const SEED_ALONE: &str = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbc=";
const PUBLIC_KEY: &str = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=";

fn secret(text: &str) -> Secret {
    Secret::new(text)
}

/// One header, made with one secret for everything.
fn made(scheme: &Scheme, key: &str, id: &str, secs: u64, body: &[u8]) -> Result<String, KeyError> {
    let key = secret(key);
    let keys = Keys { hmac: Some(&key), previous: vec![], ed25519: Some(&key), secret: Some(&key) };
    let made = headers(std::slice::from_ref(scheme), &keys, id, secs, body)?;
    assert_eq!(made.len(), 1);
    assert_eq!(made[0].0, header_name(scheme));
    Ok(made[0].1.to_str().expect("ASCII").to_owned())
}

fn custom(
    header: &'static str,
    prefix: &str,
    encoding: SignatureEncoding,
    content: SignedContent,
    algorithm: SignatureAlgorithm,
) -> Scheme {
    Scheme::Custom(Arc::new(CustomScheme {
        header: HeaderName::from_static(header),
        prefix: prefix.to_owned(),
        encoding,
        content,
        algorithm,
    }))
}

fn plain_custom(header: &'static str) -> Scheme {
    custom(header, "", SignatureEncoding::Hex, SignedContent::Body, SignatureAlgorithm::Sha256)
}

#[test]
fn the_standard_schemes_give_the_published_signatures() {
    for (key, id, secs, body, expected) in VECTORS {
        let scheme = if key == PRIVATE_KEY { Scheme::StandardEd25519 } else { Scheme::Standard };
        assert_eq!(made(&scheme, key, id, secs, body.as_bytes()).as_deref(), Ok(expected));
    }
    let (_, id, secs, body, expected) = VECTORS[2];
    let made = made(&Scheme::StandardEd25519, SEED_ALONE, id, secs, body.as_bytes());
    assert_eq!(made.as_deref(), Ok(expected), "the seed alone is the same key");
}

#[test]
fn githubs_published_signature_comes_out_in_each_spelling() {
    const HEX: &str = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let made = |scheme| made(&scheme, "It's a Secret to Everybody", "id", 1, b"Hello, World!");
    assert_eq!(made(Scheme::Github), Ok(format!("sha256={HEX}")));
    assert_eq!(made(Scheme::Sha256), Ok(format!("sha256={HEX}")));
    assert_eq!(made(Scheme::Vikunja), Ok(HEX.to_owned()));
    assert_eq!(made(plain_custom("x-sig")), Ok(HEX.to_owned()));
    let scheme = custom(
        "x-sig",
        "HMAC ",
        SignatureEncoding::Base64,
        SignedContent::Body,
        SignatureAlgorithm::Sha256,
    );
    let expected = "HMAC dXEH6g6yUJ/CESIczphLijdXC211hsIsRvQ3nIsEPhc=";
    assert_eq!(made(scheme).as_deref(), Ok(expected));
}

/// RFC 4231 4.3, test case 2.
#[test]
fn sha512_is_the_rfcs() {
    let scheme = custom(
        "x-sig",
        "sha512=",
        SignatureEncoding::Hex,
        SignedContent::Body,
        SignatureAlgorithm::Sha512,
    );
    let expected = "sha512=164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737";
    let made = made(&scheme, "Jefe", "id", 1, b"what do ya want for nothing?");
    assert_eq!(made.as_deref(), Ok(expected));
}

#[test]
fn signed_content_is_joined_by_dots() {
    let of =
        |content| custom("x-sig", "", SignatureEncoding::Hex, content, SignatureAlgorithm::Sha256);
    let bare = |body: &str| made(&Scheme::Vikunja, "key", "id", 1, body.as_bytes());
    let made = |scheme| made(&scheme, "key", "msg_1", 5, b"{}");
    assert_eq!(made(of(SignedContent::Body)), bare("{}"));
    assert_eq!(made(of(SignedContent::TimestampBody)), bare("5.{}"));
    assert_eq!(made(of(SignedContent::IdTimestampBody)), bare("msg_1.5.{}"));
    let stripe = bare("5.{}").map(|hex| format!("t=5,v1={hex}"));
    assert_eq!(made(Scheme::Stripe), stripe);
}

#[test]
fn a_key_is_decoded_only_after_its_prefix_and_for_every_scheme() {
    for (text, error) in [
        ("", KeyError::Empty),
        ("whsec_", KeyError::Empty),
        ("whsec_not base64!", KeyError::NotBase64),
        ("whsec_QQ", KeyError::NotBase64),
    ] {
        assert_eq!(Key::parse(&secret(text)).err(), Some(error), "{text}");
    }
    // "QQ==" is "A" after the prefix, and itself without it.
    for scheme in [
        Scheme::Standard,
        Scheme::Sha256,
        Scheme::Vikunja,
        Scheme::Github,
        Scheme::Stripe,
        plain_custom("x-sig"),
    ] {
        let sign = |secret: &str| made(&scheme, secret, "id", 1, b"body");
        assert_eq!(sign("whsec_QQ=="), sign("A"));
        assert_ne!(sign("QQ=="), sign("A"));
    }
    assert_eq!(
        made(&Scheme::Authorization, "whsec_QQ==", "id", 1, b"").as_deref(),
        Ok("whsec_QQ==")
    );
    assert!(!format!("{:?}", Key::parse(&secret("hidden"))).contains("hidden"));
}

#[test]
fn ed25519_keys_are_checked() {
    let sign = |key: &str| made(&Scheme::StandardEd25519, key, "id", 1, b"");
    let other_half = PRIVATE_KEY.replace("VKIDij2HKpMKki", "VKIDij2HKpMKkj");
    assert_eq!(sign(&other_half), Err(KeyError::OtherPublicKey));
    for text in ["", "whsk_", "whsk_AAAA", "whsk_?", &SEED_ALONE[5..], PUBLIC_KEY, "whsec_QQ=="] {
        assert_eq!(sign(text), Err(KeyError::NotEd25519), "{text}");
    }
    for key in [PRIVATE_KEY, SEED_ALONE, PUBLIC_KEY] {
        assert_eq!(public_key(&secret(key)).as_deref(), Ok(PUBLIC_KEY));
    }
    assert_eq!(public_key(&secret("whpk_AAAA")), Err(KeyError::NotPublic));
    assert_eq!(public_key(&secret("secret")), Err(KeyError::NotPublic));
}

#[test]
fn while_a_key_is_rotated_both_sign_where_the_scheme_can_tell() {
    let url = url::Url::parse("https://example.com/").expect("a URL");
    let until = Timestamp::from_millis(10_000);
    let webhook = Webhook {
        signing_secret: Some(secret("new")),
        previous_secrets: vec![
            PreviousSecret { secret: secret("old"), until },
            PreviousSecret { secret: secret("older"), until: Timestamp::from_millis(1) },
        ],
        ed25519_key: Some(secret(PRIVATE_KEY)),
        ..Webhook::new("w", url)
    };
    let schemes = [Scheme::Standard, Scheme::Sha256, Scheme::Stripe, Scheme::StandardEd25519];
    let at = |millis| {
        let keys = Keys::of(&webhook, Timestamp::from_millis(millis));
        let made = headers(&schemes, &keys, "id", 5, b"{}").expect("keys");
        made.iter().map(|(_, value)| value.to_str().expect("ASCII").to_owned()).collect::<Vec<_>>()
    };
    let one = |scheme: &Scheme, key| made(scheme, key, "id", 5, b"{}").expect("a key");
    let standard = |key| one(&Scheme::Standard, key);
    let stripe = |key| one(&Scheme::Stripe, key).replace("t=5,", "");
    let public = one(&Scheme::StandardEd25519, PRIVATE_KEY);
    assert_eq!(
        at(9_999),
        [
            format!("{} {} {public}", standard("new"), standard("old")),
            one(&Scheme::Sha256, "new"),
            format!("t=5,{},{}", stripe("new"), stripe("old")),
        ]
    );
    assert_eq!(
        at(10_000),
        [
            format!("{} {public}", standard("new")),
            one(&Scheme::Sha256, "new"),
            format!("t=5,{}", stripe("new")),
        ]
    );
}

#[test]
fn a_missing_key_is_an_error_not_a_signature() {
    for scheme in Scheme::NAMED {
        let made = headers(&[scheme], &Keys::default(), "id", 5, b"{}");
        assert_eq!(made, Err(KeyError::Empty));
    }
    let made = made(&Scheme::Authorization, "two\nlines", "id", 5, b"");
    assert_eq!(made, Err(KeyError::NotHeaderValue));
}
