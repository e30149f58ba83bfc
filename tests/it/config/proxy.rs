//! Where the proxy listens and where calls go.

use std::path::Path;
use std::time::Duration;

use sidehook::config::{Config, Flags};
use sidehook::model::OnDisconnect;
use sidehook::proxy::{ListenAddress, UpstreamAddress, UpstreamProtocol};

use super::way_out::Certificates;
use super::{Folder, RULE, good, only_mistake};

/// The proxy's keys, in a folder with certificates.
fn with_certificates(lines: &str) -> Config {
    let folder = Folder::new(&format!("[proxy]\n{lines}\n"));
    let made = Certificates::new();
    folder.write("ca.pem", &made.ca);
    folder.write("c.pem", &made.certificate);
    folder.write("k.pem", &made.key);
    folder.load_with(&[], Flags::default()).unwrap_or_else(|error| panic!("{lines}: {error}"))
}

fn tcp(host: &str, port: u16) -> UpstreamAddress {
    UpstreamAddress::Tcp { host: host.to_owned(), port }
}

#[test]
fn every_form_of_an_upstream_is_read() {
    use UpstreamProtocol::{H2c, Http, Https};
    for (written, protocol, address, authority) in [
        ("http://api", Http, tcp("api", 80), "api"),
        ("http://api:3000/", Http, tcp("api", 3000), "api:3000"),
        ("https://api", Https, tcp("api", 443), "api"),
        ("HTTPS://api:80", Https, tcp("api", 80), "api:80"),
        ("http://api:443", Http, tcp("api", 443), "api:443"),
        ("https://[::1]:8443", Https, tcp("::1", 8443), "[::1]:8443"),
        ("h2c://api:50051", H2c, tcp("api", 50_051), "api:50051"),
        ("H2C://api", H2c, tcp("api", 80), "api"),
        ("unix:/run/api.sock", Http, UpstreamAddress::Unix("/run/api.sock".into()), "localhost"),
    ] {
        let config = good(&format!("[proxy]\nupstream = \"{written}\"\n"));
        let upstream = config.proxy.upstream;
        assert_eq!((upstream.protocol, &upstream.address), (protocol, &address), "{written}");
        assert_eq!(upstream.authority(), authority);
        assert_eq!(&*config.delivery.source, format!("//{authority}"));
        assert_eq!(upstream.tls.is_some(), protocol == Https, "{written}");
    }
}

#[test]
fn tls_to_the_upstream_is_what_it_was_made_of() {
    let all = "upstream = \"https://api\"\nupstream_tls = { ca_file = \"ca.pem\", client_cert = \
               { cert = \"c.pem\", key = \"k.pem\" }, server_name = \"api.internal\" }";
    let folder = Folder::new(&format!("[proxy]\n{all}\n"));
    let made = Certificates::new();
    for (name, content) in
        [("ca.pem", &made.ca), ("c.pem", &made.certificate), ("k.pem", &made.key)]
    {
        folder.write(name, content);
    }
    let read = || {
        let config = folder.load_with(&[], Flags::default());
        config.unwrap_or_else(|error| panic!("{error}")).proxy.upstream
    };
    let first = read();
    let name = first.tls.as_ref().expect("TLS").server_name().to_str().into_owned();
    assert_eq!(name, "api.internal");
    assert_eq!(read(), first, "the same content is the same upstream");
    folder.write("ca.pem", &Certificates::new().ca);
    assert_ne!(read(), first);
    let plain = with_certificates("upstream = \"https://api\"").proxy.upstream;
    assert_eq!(plain.tls.expect("TLS").server_name().to_str(), "api");
    let own = with_certificates(
        "upstream = \"https://10.0.0.1\"\nupstream_tls = { ca_file = \"ca.pem\" }",
    );
    assert_eq!(own.proxy.upstream.tls.expect("TLS").server_name().to_str(), "10.0.0.1");
}

#[test]
fn every_place_to_listen_is_read() {
    for (written, shown) in
        [("[::1]:8080", "[::1]:8080"), ("unix:/run/sidehook.sock", "unix:/run/sidehook.sock")]
    {
        let listen = good(&format!("[proxy]\nlisten = \"{written}\"\n")).proxy.listen;
        assert_eq!(listen.to_string(), shown);
    }
    let folder = Folder::new("[proxy]\nlisten = \"unix:run/s.sock\"\n");
    let config = folder.load_with(&[], Flags::default()).expect("good");
    let beside = folder.file().parent().map(|folder| folder.join("run/s.sock")).expect("a folder");
    assert_eq!(config.proxy.listen, ListenAddress::Unix(beside), "from the file's folder");
    let config = with_certificates("tls = { cert = \"c.pem\", key = \"k.pem\" }");
    assert!(config.proxy.tls.is_some());
    let longest = format!("/{}", "s".repeat(106));
    let listen = good(&format!("[proxy]\nlisten = \"unix:{longest}\"\n")).proxy.listen;
    assert_eq!(listen, ListenAddress::Unix(Path::new(&longest).to_owned()));
}

#[test]
fn every_other_key_of_a_connections_life_is_read() {
    let config = good(&format!(
        "[proxy]\nh2c = true\nproxy_protocol = true\ntrusted_proxies = [\"10.0.0.0/8\"]\n\
         max_connections_per_client = 7\nupstream_idle_timeout = \"1s\"\nbody_timeout = \"2s\"\n\
         send_timeout = \"3s\"\nupstream_body_timeout = \"0s\"\ntunnel_timeout = \"5s\"\n\
         [capture]\nmax_duration = \"6s\"\n{RULE}on_disconnect = \"cancel\"\n"
    ));
    let proxy = config.proxy;
    assert!(proxy.h2c && proxy.proxy_protocol);
    assert_eq!(proxy.connections_per_client_max, 7);
    let seconds = [
        proxy.upstream_idle_timeout,
        proxy.body_timeout,
        proxy.send_timeout,
        proxy.tunnel_timeout,
        proxy.capture.max_duration,
    ];
    assert_eq!(seconds, [1, 2, 3, 5, 6].map(Duration::from_secs));
    assert_eq!(proxy.upstream_body_timeout, None);
    assert_eq!(config.rules[0].on_disconnect, OnDisconnect::Cancel);
    // Whoever reaches a Unix socket is trusted: there is no list to write.
    assert!(good("[proxy]\nlisten = \"unix:/s\"\nproxy_protocol = true\n").proxy.proxy_protocol);
}

#[test]
fn what_does_not_go_together_is_told_with_its_place_and_cure() {
    let long = format!("unix:/{}", "s".repeat(107));
    for (lines, line, message, cure) in [
        ("proxy_protocol = true", 2, "there are none", "trusted_proxies = ["),
        ("upstream_tls = { server_name = \"a\" }", 2, "https://", "take upstream_tls away"),
        ("upstream = \"http://h/api?x\"", 2, "no path and no query", "\"http://h\""),
        ("upstream = \"h2c://h:1/api\"", 2, "no path and no query", "\"h2c://h:1\""),
        ("upstream = \"h2c://\"", 2, "`h2c://` is not a URL", "\"h2c://host:port\""),
        ("upstream = \"ws://h\"", 2, "the scheme `ws`", "\"unix:/path\""),
        ("upstream = \"http://h:0\"", 2, "port 0", "the port of the API"),
        ("upstream = \"unix:\"", 2, "no path", "\"unix:/path\""),
        ("upstream = \"unix:///run/s\"", 2, "not a path", "\"unix:/run/s\""),
        ("upstream = \"unix:/s\\u0000\"", 2, "no zero", "take it out"),
        (&format!("upstream = \"{long}\""), 2, "has 108 bytes", "at most 107"),
        (&format!("listen = \"{long}\""), 2, "has 108 bytes", "at most 107"),
        ("listen = \"unix:/s\"\nupstream = \"unix:/s\"", 3, "sidehook itself", "the API behind"),
        ("listen = \"unix:\"", 2, "no path", "\"unix:/path\""),
        (
            "upstream = \"https://h\"\nupstream_tls = { ca_file = \"none.pem\" }",
            3,
            "cannot read",
            "correct the path",
        ),
        (
            "upstream = \"https://h\"\nupstream_tls = { server_name = \"a b\" }",
            3,
            "`a b` is not a host name",
            "the name that the upstream's certificate has",
        ),
        (
            "upstream = \"https://h\"\nupstream_tls = { ca = \"ca.pem\" }",
            3,
            "`ca` is not a key of upstream_tls",
            "ca_file",
        ),
        ("tls = { cert = \"none.crt\", key = \"none.key\" }", 2, "cannot read", "in PEM form"),
    ] {
        let problem = only_mistake(&format!("[proxy]\n{lines}\n"));
        assert!(problem.message.contains(message), "{lines}: {problem:?}");
        assert!(problem.cure.contains(cure), "{lines}: {problem:?}");
        assert_eq!(problem.line, line, "{problem:?}");
    }
    let folder = Folder::new("[proxy]\nh2c = true\ntls = { cert = \"c.pem\", key = \"k.pem\" }\n");
    let made = Certificates::new();
    folder.write("c.pem", &made.certificate);
    folder.write("k.pem", &made.key);
    let problems = super::problems(folder.load_with(&[], Flags::default()));
    let told: Vec<_> = problems.iter().map(|p| (p.line, p.cure.as_str())).collect();
    assert_eq!(told.len(), 1, "{problems}");
    assert!(told[0].0 == 2 && told[0].1.contains("take h2c away"), "{problems}");
    let folder = Folder::new(
        "[proxy]\nupstream = \"https://h\"\nupstream_tls = { client_cert = { cert = \"c.pem\" }, \
         server_name = \"a b\" }\n",
    );
    folder.write("c.pem", &made.certificate);
    let problems = super::problems(folder.load_with(&[], Flags::default()));
    let told: Vec<_> = problems.iter().map(|p| p.message.as_str()).collect();
    assert_eq!(told, ["`key` is missing", "`a b` is not a host name"], "{problems}");
    let problem = only_mistake(&format!("{RULE}on_disconnect = \"stop\"\n"));
    assert!(problem.cure.contains("\"continue\" or \"cancel\""), "{problem:?}");
}
