//! What is said of identities that cannot be used.

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};

use super::*;
use crate::model::Secret;

fn pair() -> (Vec<u8>, String) {
    let made = rcgen::generate_simple_self_signed(["a.example".to_owned()]).expect("valid");
    (made.cert.pem().into_bytes(), made.signing_key.serialize_pem())
}

fn ca(pem: &[u8]) -> TlsIdentity {
    TlsIdentity { ca: Some(pem.to_vec()), client: None }
}

fn client(chain: &[u8], key: &str) -> TlsIdentity {
    TlsIdentity { ca: None, client: Some((chain.to_vec(), Secret::new(key))) }
}

#[test]
fn good_identities_pass() {
    let (chain, key) = pair();
    let mut params = CertificateParams::new(Vec::<String>::new()).expect("valid");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&KeyPair::generate().expect("a key")).expect("a root");
    let two = [authority.pem().as_bytes(), &chain].concat();
    assert_eq!(check_identity(&ca(&two)), Ok(()));
    assert_eq!(check_identity(&client(&chain, &key)), Ok(()));
    let together = format!("{}{key}", String::from_utf8_lossy(&chain));
    assert_eq!(check_identity(&client(together.as_bytes(), &together)), Ok(()), "one file");
}

#[test]
fn each_mistake_has_its_words() {
    let (chain, key) = pair();
    let (other_chain, other_key) = pair();
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    let noise = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let bad_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let torn = "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n";
    for (identity, words) in [
        (ca(b""), "CA file: no certificate in it"),
        (ca(key.as_bytes()), "CA file: no certificate in it"),
        (ca(noise.as_bytes()), "CA file: its certificate 1 cannot be read"),
        (ca(torn.as_bytes()), "CA file: not valid PEM"),
        (client(b"", &key), "client certificate: no certificate in it"),
        (client(&chain, ""), "no private key"),
        (client(&chain, encrypted), "its key: it is encrypted"),
        (client(&chain, old), "its key: it is encrypted"),
        (client(&chain, bad_key), "client certificate: "),
        (client(&chain, &other_key), "the key does not belong to it"),
        (client(&other_chain, &key), "the key does not belong to it"),
        (client(noise.as_bytes(), &key), "client certificate: "),
    ] {
        let error = check_identity(&identity).expect_err(words).to_string();
        assert!(error.contains(words), "{error} / {words}");
        assert!(!error.contains("AAAA"), "no part of a key is shown: {error}");
    }
}
