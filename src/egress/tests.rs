//! What only a scripted resolver or a private authority can show.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use url::Url;

use super::resolve::Resolver;
use super::{Egress, EgressProxy, Outgoing, Settings};
use crate::model::{Failure, FailurePhase, GuardReason, Reply, TlsFailure, TlsIdentity};
use crate::tls::system_roots;

const LONG: Duration = Duration::from_secs(20);

fn settings() -> Settings {
    Settings {
        allow_networks: vec!["127.0.0.1/32".parse().expect("a network")],
        deny_networks: Vec::new(),
        require_https: false,
        user_agent: "sidehook/test".to_owned(),
        response_kept_max: 100,
        ..Settings::default()
    }
}

/// An egress whose resolver gives these answers, and that trusts these roots.
fn egress(answers: &[&[&str]], roots: rustls::RootCertStore) -> Egress {
    let parse = |list: &&[&str]| list.iter().map(|ip| ip.parse().expect("an address")).collect();
    let answers: Vec<Vec<IpAddr>> = answers.iter().map(parse).collect();
    let resolver = Resolver::Scripted(Arc::new(Mutex::new(answers)));
    Egress::with(settings(), resolver, roots).expect("builds")
}

fn outgoing(url: &str) -> Outgoing {
    Outgoing {
        tls: None,
        method: http::Method::POST,
        url: Url::parse(url).expect("a URL"),
        headers: http::HeaderMap::new(),
        body: Bytes::from_static(b"hello"),
    }
}

async fn post(egress: &Egress, url: &str) -> Result<Reply, Failure> {
    egress.send(outgoing(url), LONG).await.map_err(|(failure, _)| failure)
}

/// Answers every request on every connection with 200, and closes it; counts connections.
struct Server {
    port: u16,
    connections: Arc<AtomicUsize>,
    _serving: JoinSet<()>,
}

impl Server {
    async fn start(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                match &tls {
                    None => answer(stream).await,
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            answer(stream).await;
                        }
                    }
                }
            }
        });
        Self { port, connections, _serving: serving }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn answer<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
    let mut request = Vec::new();
    while !request.ends_with(b"hello") {
        if stream.read_buf(&mut request).await.is_ok_and(|n| n == 0) {
            return;
        }
    }
    let reply = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    stream.write_all(reply).await.expect("the peer reads");
    let _ = stream.shutdown().await;
}

#[tokio::test]
async fn a_name_is_dialled_where_its_addresses_are_good() {
    let server = Server::start(None).await;
    let url = format!("http://receiver.example:{}/", server.port);
    let egress = egress(&[&["127.0.0.1"]], system_roots());
    assert_eq!(post(&egress, &url).await.expect("a reply").status, 200);
}

#[tokio::test]
async fn one_bad_address_refuses_the_whole_answer() {
    let server = Server::start(None).await;
    let url = format!("http://mixed.example:{}/", server.port);
    for answer in [["127.0.0.1", "10.0.0.1"], ["10.0.0.1", "127.0.0.1"]] {
        let egress = egress(&[&answer], system_roots());
        let failure = post(&egress, &url).await.expect_err("refused");
        let expected = Failure::Refused {
            reason: GuardReason::NotPublic,
            address: Some("10.0.0.1".to_owned()),
        };
        assert_eq!(failure, expected);
    }
    assert_eq!(server.connections(), 0, "not even the good one is dialled");
}

#[tokio::test]
async fn a_name_is_judged_again_at_every_connection() {
    let server = Server::start(None).await;
    let url = format!("http://rebinding.example:{}/", server.port);
    let answers: [&[&str]; 3] = [&["127.0.0.1"], &["169.254.169.254"], &["127.0.0.1"]];
    let egress = egress(&answers, system_roots());
    assert!(post(&egress, &url).await.is_ok());
    let failure = post(&egress, &url).await.expect_err("rebound");
    assert!(matches!(failure, Failure::Refused { .. }), "{failure:?}");
    assert!(post(&egress, &url).await.is_ok(), "healed: the new answer is used");
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_silent_resolver_is_told_as_that() {
    let egress = Egress::with(settings(), Resolver::Silent, system_roots()).expect("builds");
    let outgoing = outgoing("http://receiver.example/");
    let (failure, _) =
        egress.send(outgoing, Duration::from_millis(50)).await.expect_err("no address");
    assert_eq!(failure, Failure::TimedOut { phase: FailurePhase::Resolve, after_ms: 50 });
}

/// A name of the proxy's network may be unknown here, but one that is known is judged.
#[tokio::test]
async fn behind_a_proxy_a_name_is_judged_where_it_resolves() {
    let proxy = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let port = proxy.local_addr().expect("bound").port();
    let through = |resolver| {
        let proxy = EgressProxy { host: "127.0.0.1".to_owned(), port, credentials: None };
        let settings = Settings { proxy: Some(proxy), ..settings() };
        Egress::with(settings, resolver, system_roots()).expect("builds")
    };
    let scripted = |ip: &str| {
        let answers = vec![vec![ip.parse().expect("an address")]];
        Resolver::Scripted(Arc::new(Mutex::new(answers)))
    };
    let failure = post(&through(scripted("169.254.169.254")), "http://receiver.example/").await;
    assert!(matches!(failure, Err(Failure::Refused { .. })), "{failure:?}");

    let unknown = Resolver::Scripted(Arc::new(Mutex::new(vec![Vec::new()])));
    for resolver in [scripted("127.0.0.1"), unknown, Resolver::Silent] {
        let egress = through(resolver);
        let asking = async {
            let (mut stream, _) = proxy.accept().await.expect("asked");
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                stream.read_buf(&mut asked).await.expect("readable");
            }
            stream.write_all(b"HTTP/1.1 403 No\r\n\r\n").await.expect("the peer reads");
            String::from_utf8(asked).expect("text")
        };
        let (failure, asked) = tokio::join!(post(&egress, "https://receiver.example/"), asking);
        assert!(asked.starts_with("CONNECT receiver.example:443 HTTP/1.1\r\n"), "{asked}");
        let expected = Failure::ProxyRefused { status: 403, detail: "No".to_owned() };
        assert_eq!(failure, Err(expected), "its answer, not the receiver's");
    }
}

#[tokio::test]
async fn identities_of_the_same_content_share_their_connections_and_unused_ones_go() {
    let egress = egress(&[&["127.0.0.1"]], system_roots());
    let identity = |name: &str| {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).expect("valid");
        made.cert.pem().into_bytes()
    };
    let one = identity("one.example");
    for _ in 0..3 {
        let again = Arc::new(TlsIdentity { ca: Some(one.clone()), client: None });
        egress.clients.of(Some(&again)).expect("valid");
    }
    assert_eq!(egress.clients.n_own(), 1);
    for n in 0..200 {
        let other = Arc::new(TlsIdentity {
            ca: Some([one.as_slice(), format!("# {n}").as_bytes()].concat()),
            client: None,
        });
        egress.clients.of(Some(&other)).expect("valid");
    }
    assert_eq!(egress.clients.n_own(), 128, "bounded");
}

/// A certificate for `name`, signed by an authority of its own.
fn certified(name: &str) -> (rustls::RootCertStore, TlsAcceptor) {
    let authority_key = KeyPair::generate().expect("a key");
    let mut authority = CertificateParams::new(Vec::<String>::new()).expect("valid");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = authority.self_signed(&authority_key).expect("a root");
    let key = KeyPair::generate().expect("a key");
    let leaf = CertificateParams::new(vec![name.to_owned()])
        .expect("valid")
        .signed_by(&key, &Issuer::new(authority, authority_key))
        .expect("signed");

    let mut roots = rustls::RootCertStore::empty();
    roots.add(root.der().clone()).expect("a root");
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("supported")
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key.into())
        .expect("a valid pair");
    (roots, TlsAcceptor::from(Arc::new(config)))
}

#[tokio::test]
async fn tls_is_verified_against_the_name_in_the_url() {
    let (roots, acceptor) = certified("receiver.example");
    let server = Server::start(Some(acceptor)).await;
    let egress = egress(&[&["127.0.0.1"]], roots);

    let good = format!("https://receiver.example:{}/", server.port);
    assert_eq!(post(&egress, &good).await.expect("trusted").status, 200);

    let other = format!("https://other.example:{}/", server.port);
    let failure = post(&egress, &other).await.expect_err("another name");
    assert!(matches!(failure, Failure::Tls { cause: TlsFailure::WrongName, .. }), "{failure:?}");
}
