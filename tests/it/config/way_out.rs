//! `egress_proxy`, `source_address`, `ca_file` and `client_cert`.

use rcgen::{CertificateParams, KeyPair};
use sidehook::config::{Environment, Flags, Inputs, load};

use super::{Folder, RULE, WEBHOOK, good, load_text, only_mistake, problems};

/// A certificate that is its own CA, and its key.
pub(super) struct Certificates {
    pub(super) ca: String,
    pub(super) certificate: String,
    pub(super) key: String,
}

impl Certificates {
    pub(super) fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["client.example.com".to_owned()]);
        let certificate = params.expect("a name").self_signed(&key).expect("signed").pem();
        Self { ca: certificate.clone(), certificate, key: key.serialize_pem() }
    }
}

#[test]
fn an_egress_proxy_is_a_url_that_may_hold_a_password() {
    let proxy = |text: &str| {
        let config = good(&format!("[delivery]\negress_proxy = \"{text}\"\n"));
        let proxy = config.egress.proxy.expect("set");
        let credentials =
            proxy.credentials.map(|(user, password)| format!("{user}:{}", password.reveal()));
        (proxy.host, proxy.port, credentials)
    };
    let told = |text: &str| Some(text.to_owned());
    assert_eq!(proxy("http://127.0.0.1:4750"), ("127.0.0.1".into(), 4750, None));
    assert_eq!(proxy("http://proxy.internal"), ("proxy.internal".into(), 80, None));
    assert_eq!(proxy("http://u:p@[::1]:3128/"), ("::1".into(), 3128, told("u:p")));
    assert_eq!(proxy("http://u@h:1"), ("h".into(), 1, told("u:")));
    assert_eq!(proxy("http://a%40b:p%3A%25%C3%A4%2@h:1"), ("h".into(), 1, told("a@b:p:%ä%2")));
}

#[test]
fn an_egress_proxy_may_come_from_elsewhere() {
    let folder = Folder::new("[delivery]\negress_proxy = { file = \"proxy\" }\n");
    folder.write("proxy", "http://u:hunter2@10.0.0.1:3128\n");
    let config = folder.load_with(&[], Flags::default()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(config.egress.proxy.expect("set").port, 3128);
    let table: toml::Table = config.effective.parse().expect("TOML");
    assert_eq!(table["delivery"]["egress_proxy"]["file"].as_str(), Some("proxy"));
    let environment = [("SIDEHOOK_DELIVERY_EGRESS_PROXY", "http://u:hunter2@10.0.0.2:1")];
    let config = load(&Inputs { environment: Environment::of(environment), ..Inputs::default() })
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(config.egress.proxy.as_ref().expect("set").host, "10.0.0.2");
    assert!(!format!("{config:?}").contains("hunter2"));
    let table: toml::Table = config.effective.parse().expect("TOML");
    assert_eq!(
        table["delivery"]["egress_proxy"].as_str(),
        Some("http://***:***@10.0.0.2:1"),
        "where it is, without who asks"
    );
}

#[test]
fn what_is_no_egress_proxy_is_told_without_its_password() {
    for (text, message) in [
        ("http://u:hunter2:h:1", "not a URL"),
        ("u:hunter2@h:1", "not an http:// URL"),
        ("https://u:hunter2@h:1", "plain http"),
        ("socks5://u:hunter2@h:1", "plain http"),
        ("http://u:hunter2@h:1/path", "no path"),
        ("http://u:hunter2@h:1?q", "no path and no query"),
        ("http://u%3Ahunter2:x@h:1", "cannot be sent"),
        ("http://u:hunter2%0A@h:1", "cannot be sent"),
        ("http://u:hunter2%FF@h:1", "not text"),
        ("http://u:hunter2@h:0", "port 0"),
        ("h:1", "not an http:// URL"),
    ] {
        let toml = format!("[delivery]\negress_proxy = \"{text}\"\n");
        let problem = only_mistake(&toml);
        assert!(problem.message.contains(message), "{text}: {problem:?}");
        assert_eq!((problem.line, problem.column), (2, 16), "{text}");
        let shown = load_text(&toml).expect_err("a mistake").to_string();
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    for line in [
        "egres_proxy = \"http://u:hunter2@h:1\"",
        "http_proxy = \"http://u:hunter2@h:1\"",
        "egress_proxy = \"http://u:hunter2@h:1",
        "egress_proxy = [\"http://u:hunter2@h:1\"]",
    ] {
        let error = load_text(&format!("[delivery]\n{line}\n")).expect_err("a mistake");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
    let folder = Folder::new("[delivery]\negress_proxy = { env = \"NOT_SET\" }\n");
    let told = problems(folder.load_with(&[], Flags::default()));
    assert_eq!(told.count(), 1, "{told}");
}

#[test]
fn a_special_target_is_refused_behind_an_egress_proxy_too() {
    let webhook = WEBHOOK.replace("https://example.com/", "http://169.254.169.254/");
    let problem =
        only_mistake(&format!("{RULE}{webhook}[delivery]\negress_proxy = \"http://10.0.0.1:1\"\n"));
    assert!(problem.cure.contains("allow_networks"), "{problem:?}");
}

#[test]
fn a_source_address_is_one_of_a_machine() {
    let config = good("[delivery]\nsource_address = \"203.0.113.7\"\n");
    assert_eq!(config.egress.source_address, "203.0.113.7".parse().ok());
    for text in ["203.0.113", "0.0.0.0", "::", "224.0.0.1", "203.0.113.7:80", "localhost"] {
        let problem = only_mistake(&format!("[delivery]\nsource_address = \"{text}\"\n"));
        assert!(problem.message.contains("not an address to send from"), "{problem:?}");
    }
}

#[test]
fn certificates_are_read_from_files_beside_the_configuration() {
    let files = Certificates::new();
    let folder = Folder::new(&format!(
        "{RULE}{WEBHOOK}ca_file = \"ca.pem\"\nclient_cert = {{ cert = \"c.pem\", key = \"k.pem\" }}\n"
    ));
    folder.write("ca.pem", &files.ca);
    folder.write("c.pem", &files.certificate);
    folder.write("k.pem", &files.key);
    let config = folder.load_with(&[], Flags::default()).unwrap_or_else(|e| panic!("{e}"));
    let tls = config.webhooks[0].tls.as_ref().expect("set");
    assert_eq!(tls.ca.as_deref(), Some(files.ca.as_bytes()));
    let (chain, key) = tls.client.as_ref().expect("set");
    assert_eq!((chain.as_slice(), key.reveal()), (files.certificate.as_bytes(), &*files.key));
    assert!(!format!("{config:?}").contains("PRIVATE KEY"));
    assert!(config.effective.contains("ca_file = \"ca.pem\""), "{}", config.effective);
}

#[test]
fn a_file_that_holds_no_certificate_is_told_with_its_path() {
    let files = Certificates::new();
    let refused = |lines: &str| {
        let folder = Folder::new(&format!("{RULE}{WEBHOOK}{lines}\n"));
        folder.write("good.pem", format!("{}{}", files.certificate, files.key));
        folder.write("other.pem", Certificates::new().key);
        folder.write("text.pem", "hello");
        folder.write("big.pem", vec![b'a'; (1 << 20) + 1]);
        let told = problems(folder.load_with(&[], Flags::default()));
        assert_eq!(told.count(), 1, "{lines}: {told}");
        let problem = told.iter().next().expect("counted").clone();
        assert_eq!(problem.line, 9, "{told}");
        problem
    };
    let problem = refused("ca_file = \"gone.pem\"");
    assert!(problem.message.contains("gone.pem"), "{problem:?}");
    let problem = refused("ca_file = \"big.pem\"");
    assert!(problem.message.contains("larger than 1 MiB"), "{problem:?}");
    let problem = refused("client_cert = { cert = \"good.pem\" }");
    assert!(problem.message.contains("`key` is missing"), "{problem:?}");
    let problem = refused("client_cert = \"good.pem\"");
    assert!(problem.message.contains("expected a table"), "{problem:?}");
    let problem = refused("ca_file = \"text.pem\"");
    assert!(problem.message.contains("CA file"), "{problem:?}");
    let problem = refused("client_cert = { cert = \"text.pem\", key = \"good.pem\" }");
    assert!(problem.message.contains("client certificate"), "{problem:?}");
    let problem = refused("client_cert = { cert = \"good.pem\", key = \"other.pem\" }");
    assert!(problem.message.contains("client certificate"), "{problem:?}");
}

#[test]
fn certificates_for_plain_http_are_a_warning() {
    let files = Certificates::new();
    let webhook = WEBHOOK.replace("https:", "http:");
    let folder = Folder::new(&format!("{RULE}{webhook}ca_file = \"ca.pem\"\n"));
    folder.write("ca.pem", &files.ca);
    let config = folder.load_with(&[], Flags::default()).unwrap_or_else(|e| panic!("{e}"));
    assert!(config.warnings.iter().any(|w| w.contains("`w` has plain http")), "{config:?}");
}
