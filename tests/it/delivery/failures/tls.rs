//! TLS: certificates of each bad kind, and handshakes that end otherwise.

use rcgen::{ExtendedKeyUsagePurpose, SanType, date_time_ymd};
use rustls::version::{TLS12, TLS13};
use tokio::io::AsyncWriteExt as _;

use super::Case;
use crate::support::receiver::Receiver;
use crate::support::tls::{Authority, Issued};
use crate::support::wire::{Wire, reset, some};

pub(super) async fn cases() -> Vec<Case> {
    let authority = Authority::new("a private CA");
    let mut cases = certificates(&authority).await;
    cases.extend(clients(&authority).await);
    cases.extend(handshakes().await);
    cases
}

async fn receiving(
    what: &'static str,
    config: rustls::ServerConfig,
    kind: &'static str,
    says: &'static str,
) -> Case {
    let receiver = Receiver::start_tls(config).await;
    Case::new(what, receiver.url("/"), kind, says, receiver)
}

async fn certificates(authority: &Authority) -> Vec<Case> {
    let trusted = authority.trusted();
    let mut cases = Vec::new();
    let expired = authority.issue(|params| params.not_after = date_time_ymd(2020, 1, 1));
    let early = authority.issue(|params| params.not_before = date_time_ymd(4000, 1, 1));
    let named = authority.issue(|params| {
        let other = "other.example".try_into().expect("a name");
        params.subject_alt_names = vec![SanType::DnsName(other)];
    });
    let purpose = authority.issue(|params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    let forged = Authority::new("a private CA").good();
    for (what, issued, kind, says) in [
        ("an expired certificate", expired, "tls/expired", "renewed"),
        ("a certificate of the future", early, "tls/not_yet_valid", "clocks"),
        ("a certificate for another name", named, "tls/wrong_name", "other.example"),
        ("a certificate for clients only", purpose, "tls/bad_certificate", ""),
        ("a forged issuer", forged, "tls/bad_signature", ""),
        ("a self-signed certificate", Issued::self_signed(), "tls/self_signed", "ca_file"),
    ] {
        let case = receiving(what, issued.server(None), kind, says).await;
        cases.push(case.with(trusted.clone()));
    }
    for (what, own, kind) in [
        ("an openssl self-signed one in ca_file", Issued::self_signed_ca(|_| {}), "delivered"),
        (
            "the same, expired",
            Issued::self_signed_ca(|params| params.not_after = date_time_ymd(2020, 1, 1)),
            "tls/expired",
        ),
        (
            "the same, for another name",
            Issued::self_signed_ca(|params| {
                let other = "other.example".try_into().expect("a name");
                params.subject_alt_names = vec![SanType::DnsName(other)];
            }),
            "tls/wrong_name",
        ),
    ] {
        let case = receiving(what, own.server(None), kind, "").await;
        cases.push(case.with(own.named()));
    }
    let stranger = Issued::self_signed_ca(|_| {}).server(None);
    let case = receiving("the same, not in ca_file", stranger, "tls/self_signed", "ca_file").await;
    cases.push(case.with(trusted.clone()));
    let unknown = authority.good().server(None);
    cases.push(receiving("an unknown issuer", unknown, "tls/unknown_issuer", "set ca_file").await);
    let good = authority.good().server(None);
    cases.push(receiving("the private CA is set", good, "delivered", "").await.with(trusted));
    cases
}

async fn clients(authority: &Authority) -> Vec<Case> {
    let trusted = authority.trusted();
    let server = authority.good();
    let mine = authority.good();
    let foreign = Authority::new("another CA").good();
    let required = "tls/client_certificate_required";
    let mut cases = Vec::new();
    for (what, version, identity, kind, says) in [
        ("no client certificate, TLS 1.3", &TLS13, &trusted, required, "set client_cert"),
        ("no client certificate, TLS 1.2", &TLS12, &trusted, required, "set client_cert"),
        (
            "a foreign client certificate",
            &TLS13,
            &authority.trusted_by(&foreign),
            "tls/client_certificate_refused",
            "check client_cert",
        ),
        ("the right client certificate", &TLS13, &authority.trusted_by(&mine), "delivered", ""),
    ] {
        let config = server.server_with(Some(authority), &[version]);
        cases.push(receiving(what, config, kind, says).await.with(identity.clone()));
    }
    cases
}

async fn handshakes() -> Vec<Case> {
    let closing = Wire::start(|mut stream| async move {
        some(&mut stream).await;
        let _ = stream.shutdown().await;
    })
    .await;
    let resetting = Wire::start(|mut stream| async move {
        some(&mut stream).await;
        reset(stream);
    })
    .await;
    let mut cases = vec![
        Case::new("closed in the handshake", closing.url("https"), "tls/closed", "", closing),
        Case::new("reset in the handshake", resetting.url("https"), "tls/closed", "", resetting),
    ];
    let plain = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n".as_slice();
    for (what, bytes, kind, says) in [
        ("plain http behind https", plain, "tls/not_tls", "http://"),
        ("garbage behind https", b"\0\x01\x02 no TLS", "tls/not_tls", ""),
        ("the alert protocol_version", &[21, 3, 1, 0, 2, 2, 70], "tls/protocol_version", "1.2"),
        (
            "the alert handshake_failure",
            &[21, 3, 3, 0, 2, 2, 40],
            "tls/handshake_refused",
            "HandshakeFailure",
        ),
        (
            "the alert unrecognized_name",
            &[21, 3, 3, 0, 2, 2, 112],
            "tls/handshake_refused",
            "UnrecognisedName",
        ),
        ("silence in the handshake", b"", "timed_out/tls", "handshake"),
    ] {
        let wire = Wire::says(bytes).await;
        let case = Case::new(what, wire.url("https"), kind, says, wire);
        cases.push(if kind == "timed_out/tls" { case.short() } else { case });
    }
    cases
}
