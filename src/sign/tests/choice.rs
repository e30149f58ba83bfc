//! Which schemes a webhook may use.

use super::*;
use crate::model::Format;

const TYPED: &Format = &Format::Typed;
const SHOWS: &Format = &Format::Exchange;

struct Given<'a> {
    format: &'a Format,
    secret: Option<&'a str>,
    signing: Option<&'a str>,
    ed25519: Option<&'a str>,
    basic: bool,
}

const NOTHING: Given<'static> =
    Given { format: TYPED, secret: None, signing: None, ed25519: None, basic: false };

impl Given<'_> {
    fn choose(&self, schemes: Option<&[Scheme]>) -> Result<Vec<Scheme>, SchemeError> {
        let (shown, signing) = (self.secret.map(Secret::new), self.signing.map(Secret::new));
        let ed25519 = self.ed25519.map(Secret::new);
        let offer = Offer {
            format: self.format,
            secret: shown.as_ref(),
            signing_secret: signing.as_ref(),
            ed25519_key: ed25519.as_ref(),
            has_basic_auth: self.basic,
        };
        check_schemes(&offer, schemes)
    }
}

const BOTH: [Scheme; 2] = [Scheme::Standard, Scheme::Sha256];

#[test]
fn the_default_signs_with_what_there_is_and_nobody_sees() {
    let default = |given: Given<'_>| given.choose(None).expect("a default");
    assert_eq!(default(NOTHING), []);
    assert_eq!(default(Given { secret: Some("s"), ..NOTHING }), BOTH);
    assert_eq!(default(Given { signing: Some("s"), ..NOTHING }), BOTH);
    assert_eq!(default(Given { format: SHOWS, secret: Some("s"), ..NOTHING }), []);
    assert_eq!(default(Given { format: SHOWS, signing: Some("s"), ..NOTHING }), BOTH);
    let both = Given { format: SHOWS, secret: Some("a"), signing: Some("b"), ..NOTHING };
    assert_eq!(default(both), BOTH);
    let only = [Scheme::StandardEd25519];
    assert_eq!(default(Given { ed25519: Some(SEED_ALONE), ..NOTHING }), only);
    let shown = Given { format: SHOWS, secret: Some("s"), ed25519: Some(SEED_ALONE), ..NOTHING };
    assert_eq!(default(shown), only, "the only HMAC key is shown");
    let besides = Given { secret: Some("s"), ed25519: Some(SEED_ALONE), ..NOTHING };
    assert_eq!(default(besides), BOTH, "ed25519 only where it is asked for or alone");
}

#[test]
fn a_secret_is_never_both_shown_and_used_as_a_key() {
    let shown = Given { format: SHOWS, secret: Some("s"), ..NOTHING };
    let hmacs = [Scheme::Standard, Scheme::Sha256, Scheme::Vikunja, Scheme::Github, Scheme::Stripe];
    for scheme in hmacs.into_iter().chain([plain_custom("x-sig")]) {
        let refused = shown.choose(Some(&[scheme]));
        assert_eq!(refused, Err(SchemeError::KeyIsShown { format: "exchange" }));
        assert!(refused.is_err_and(|error| error.to_string().contains("signing_secret")));
    }
    assert_eq!(shown.choose(Some(&[])), Ok(vec![]));
    let verbatim = [Scheme::Authorization];
    assert_eq!(shown.choose(Some(&verbatim)), Ok(verbatim.to_vec()));
    let three = [Scheme::Authorization, Scheme::StandardEd25519];
    let with_key = Given { ed25519: Some(PRIVATE_KEY), ..shown };
    assert_eq!(with_key.choose(Some(&three)), Ok(three.to_vec()));

    // The header shows it as well as a body does.
    let sent = Given { secret: Some("s"), ..NOTHING };
    for pair in [[Scheme::Authorization, Scheme::Sha256], [Scheme::Github, Scheme::Authorization]] {
        assert!(matches!(sent.choose(Some(&pair)), Err(SchemeError::KeyIsSent { .. })));
        let apart = Given { signing: Some("another"), ..sent };
        assert_eq!(apart.choose(Some(&pair)), Ok(pair.to_vec()));
    }
}

#[test]
fn the_shown_secret_is_no_key_under_another_name() {
    let choose = |secret, signing, schemes: Option<&[Scheme]>| {
        let given =
            Given { format: SHOWS, secret: Some(secret), signing: Some(signing), ..NOTHING };
        given.choose(schemes)
    };
    assert_eq!(choose("shown", "hidden", None), Ok(BOTH.to_vec()));
    for (secret, signing) in [("same", "same"), ("A", "whsec_QQ=="), ("whsec_QQ==", "A")] {
        let refused = choose(secret, signing, None);
        assert!(matches!(refused, Err(SchemeError::SameSecret { .. })), "{secret}");
        assert_eq!(choose(secret, signing, Some(&[])), Ok(vec![]), "nothing is signed");
    }
    let given = Given { secret: Some("same"), signing: Some("same"), ..NOTHING };
    assert_eq!(given.choose(None), Ok(BOTH.to_vec()), "nothing shows it");
    let sent = given.choose(Some(&[Scheme::Authorization, Scheme::Sha256]));
    assert!(matches!(sent, Err(SchemeError::SameSecret { .. })));
}

#[test]
fn every_scheme_needs_its_key() {
    for scheme in Scheme::NAMED.into_iter().chain([plain_custom("x-sig")]) {
        let key = match scheme {
            Scheme::StandardEd25519 => "ed25519_key",
            Scheme::Authorization => "secret",
            _ => "signing_secret",
        };
        let refused = NOTHING.choose(Some(std::slice::from_ref(&scheme)));
        assert_eq!(refused, Err(SchemeError::NoKey { scheme: scheme.name(), key }));
        let said = refused.expect_err("refused");
        assert!(said.to_string().contains(key) && said.cure().contains(key), "{said}");
    }
    let signing = Given { signing: Some("s"), ..NOTHING };
    let refused = signing.choose(Some(&[Scheme::Authorization]));
    let expected = SchemeError::NoKey { scheme: "authorization", key: "secret" };
    assert_eq!(refused, Err(expected), "a signing key is not sent");
}

#[test]
fn bad_keys_are_named() {
    let key = |given: Given<'_>, schemes: Option<&[Scheme]>| {
        let error = given.choose(schemes).expect_err("refused");
        assert!(matches!(error, SchemeError::Key(_)), "{error}");
        error.key()
    };
    let none: Option<&[Scheme]> = Some(&[]);
    assert_eq!(key(Given { signing: Some("whsec_?"), ..NOTHING }, none), "signing_secret");
    assert_eq!(key(Given { ed25519: Some("whsk_?"), ..NOTHING }, none), "ed25519_key");
    assert_eq!(key(Given { secret: Some("whsec_?"), ..NOTHING }, None), "signing_secret");
    for text in ["two\nlines", "caf\u{e9}\u{0}", "", " blank", "blank\t"] {
        let given = Given { secret: Some(text), ..NOTHING };
        assert_eq!(key(given, Some(&[Scheme::Authorization])), "secret", "{text:?}");
    }
    let text = Given { format: SHOWS, secret: Some("whsec_?"), ..NOTHING };
    assert_eq!(text.choose(None), Ok(vec![]), "a secret that is no key is a text like any other");
}

#[test]
fn two_schemes_never_write_one_header() {
    let given =
        Given { secret: Some("s"), signing: Some("k"), ed25519: Some(SEED_ALONE), ..NOTHING };
    for scheme in Scheme::NAMED.into_iter().chain([plain_custom("x-sig")]) {
        let twice = given.choose(Some(&[scheme.clone(), scheme.clone()]));
        assert_eq!(twice, Err(SchemeError::Twice { scheme: scheme.name() }));
    }
    for header in [
        "webhook-signature",
        "x-webhook-signature",
        "x-vikunja-signature",
        "x-hub-signature-256",
        "stripe-signature",
        "authorization",
    ] {
        let own = plain_custom(header);
        assert_eq!(given.choose(Some(std::slice::from_ref(&own))), Ok(vec![own.clone()]));
        let named = Scheme::NAMED.into_iter().find(|named| header_name(named) == header);
        let refused = given.choose(Some(&[own, named.expect("one of them")]));
        assert!(matches!(refused, Err(SchemeError::SameHeader { .. })), "{header}: {refused:?}");
    }
    let other = custom(
        "x-sig",
        "b64 ",
        SignatureEncoding::Base64,
        SignedContent::Body,
        SignatureAlgorithm::Sha512,
    );
    let refused = given.choose(Some(&[plain_custom("x-sig"), other.clone()]));
    assert!(matches!(refused, Err(SchemeError::SameHeader { .. })));
    assert_eq!(given.choose(Some(&[plain_custom("x-sig2"), other])).map(|s| s.len()), Ok(2));
    let shared = [Scheme::Standard, Scheme::StandardEd25519];
    assert_eq!(given.choose(Some(&shared)), Ok(shared.to_vec()), "these two share theirs");
    assert_eq!(given.choose(Some(&Scheme::NAMED)), Ok(Scheme::NAMED.to_vec()), "all at once");
}

#[test]
fn reserved_headers_are_refused() {
    let given = Given { secret: Some("s"), ..NOTHING };
    for header in ["host", "content-type", "webhook-id", "x-webhook-attempt", "traceparent"] {
        let refused = given.choose(Some(&[plain_custom(header)]));
        assert!(matches!(refused, Err(SchemeError::ReservedHeader { .. })), "{header}");
    }
    assert!(given.choose(Some(&[plain_custom("ce-id")])).is_ok());
    let binary = Given { format: &Format::CloudEventsBinary, ..given };
    let refused = binary.choose(Some(&[plain_custom("ce-id")]));
    assert!(matches!(refused, Err(SchemeError::ReservedHeader { .. })));
    let basic = Given { secret: Some("s"), basic: true, ..NOTHING };
    for scheme in [Scheme::Authorization, plain_custom("authorization")] {
        let refused = basic.choose(Some(std::slice::from_ref(&scheme)));
        assert_eq!(refused, Err(SchemeError::BasicAuth { scheme: scheme.name() }));
    }
    assert_eq!(basic.choose(None), Ok(BOTH.to_vec()));
}
