//! Through a real proxy: squid of the distribution, with its own helper for credentials.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use sidehook::egress::{Egress, EgressProxy, Settings};
use sidehook::model::{Failure, Secret};
use tempfile::TempDir;
use tokio::net::TcpStream;

use super::egress::{LONG, post};
use crate::support::found;
use crate::support::receiver::{Receiver, dead_port};
use crate::support::tls::Authority;

/// The MD5 of "password" in hex, which is one of the forms that the helper reads.
const PASSWORDS: &str = "user:5f4dcc3b5aa765d61d8327deb882cf99\n";

/// Killed when dropped.
struct Squid {
    port: u16,
    child: Child,
    _directory: TempDir,
}

impl Drop for Squid {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Squid {
    /// `None` where it is not installed: skipped by hand, an error in scripts/test and in CI.
    async fn start() -> Option<Self> {
        let installed = program(&["/usr/sbin/squid", "/usr/local/sbin/squid", "/usr/bin/squid"])
            .zip(program(&["/usr/lib/squid/basic_ncsa_auth", "/usr/lib64/squid/basic_ncsa_auth"]));
        let Some((program, helper)) = installed else {
            let is_required = ["SIDEHOOK_TEST_TOOLS", "CI"].map(std::env::var_os);
            assert!(is_required.iter().all(Option::is_none), "squid is missing: apt install squid");
            eprintln!("SKIPPED: squid is not installed (apt install squid)");
            return None;
        };
        let directory = TempDir::new().expect("a directory");
        // Started by root, it reads its files as somebody else.
        std::fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).expect("own");
        let port = dead_port().await;
        let config = directory.path().join("squid.conf");
        let passwords = directory.path().join("passwords");
        std::fs::write(&passwords, PASSWORDS).expect("written");
        std::fs::write(&config, configuration(port, &helper, &passwords)).expect("written");
        let child = Command::new(program)
            .args(["-N", "-f"])
            .arg(&config)
            .current_dir(directory.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        let mut squid = Self { port, child, _directory: directory };
        found(async || squid.listens().await).await.expect("squid listens");
        Some(squid)
    }

    async fn listens(&mut self) -> Option<TcpStream> {
        assert_eq!(self.child.try_wait().expect("a child"), None, "squid ended");
        TcpStream::connect(("127.0.0.1", self.port)).await.ok()
    }

    fn egress(&self, password: &str) -> Egress {
        let credentials = Some(("user".to_owned(), Secret::new(password)));
        let host = "127.0.0.1".to_owned();
        Egress::new(Settings {
            allow_networks: vec!["127.0.0.0/8".parse().expect("a network")],
            proxy: Some(EgressProxy { host, port: self.port, credentials }),
            user_agent: "sidehook/test".to_owned(),
            response_kept_max: 1000,
            ..Settings::default()
        })
        .expect("builds")
    }
}

fn program(places: &[&str]) -> Option<PathBuf> {
    places.iter().map(PathBuf::from).find(|place| place.exists())
}

/// Nothing but tunnels, for those it knows, and none to 127.0.0.9.
fn configuration(port: u16, helper: &Path, passwords: &Path) -> String {
    format!(
        "http_port 127.0.0.1:{port}\n\
         pid_filename none\n\
         cache deny all\n\
         cache_log /dev/null\n\
         access_log none\n\
         netdb_filename none\n\
         pinger_enable off\n\
         shutdown_lifetime 0 seconds\n\
         auth_param basic program {} {}\n\
         auth_param basic children 1\n\
         acl known proxy_auth REQUIRED\n\
         acl away dst 127.0.0.9\n\
         acl tunnels method CONNECT\n\
         http_access deny !tunnels\n\
         http_access deny !known\n\
         http_access deny away\n\
         http_access allow known\n\
         http_access deny all\n",
        helper.display(),
        passwords.display(),
    )
}

#[tokio::test]
async fn attempts_go_through_squid() {
    let Some(squid) = Squid::start().await else { return };
    let egress = squid.egress("password");

    let plain = Receiver::start().await;
    for _ in 0..2 {
        let reply = egress.send(post(plain.url("/hook")), LONG).await.expect("through the tunnel");
        assert_eq!(reply.status, 200);
    }
    let received = plain.received(2).await;
    assert_eq!(received[1].connection, 1, "the tunnel is used again");
    assert!(!received[0].headers.contains_key("proxy-authorization"));

    let authority = Authority::new("a private CA");
    let secret = Receiver::start_tls(authority.good().server(None)).await;
    let mut outgoing = post(secret.url("/hook"));
    outgoing.tls = Some(authority.trusted());
    let reply = egress.send(outgoing, LONG).await.expect("TLS through the tunnel");
    assert_eq!(reply.status, 200);

    let refusals = [("wrong", "127.0.0.1", 407), ("password", "127.0.0.9", 403)];
    for (password, host, expected) in refusals {
        let url = format!("http://{host}:{}/", plain.port()).parse().expect("a URL");
        let sent = squid.egress(password).send(post(url), LONG).await;
        let (failure, reply) = sent.expect_err("refused by squid");
        let Failure::ProxyRefused { status, detail } = &failure else { panic!("{failure:?}") };
        assert_eq!((*status, reply), (expected, None), "{detail}");
    }
    let dead = format!("http://127.0.0.1:{}/", dead_port().await).parse().expect("a URL");
    let (failure, _) = egress.send(post(dead), LONG).await.expect_err("nobody there");
    assert!(matches!(failure, Failure::ProxyRefused { status: 502..=504, .. }), "{failure}");
    assert!(failure.is_receivers(), "squid is well, the receiver is not");
}
