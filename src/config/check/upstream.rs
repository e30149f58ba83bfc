//! `listen` and `upstream` of the proxy, each an address or a Unix socket, and `upstream_tls`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::ServerName;
use url::{Host, Position, Url};

use super::read::key;
use super::{Check, tls};
use crate::config::node::{Node, Table};
use crate::config::problem::quoted;
use crate::model::TlsIdentity;
use crate::proxy::{
    ListenAddress, UpstreamAddress, UpstreamProtocol, UpstreamSettings, UpstreamTls,
};
use crate::tls::system_roots;

/// Longest path of a Unix socket, bytes: `sun_path` is 108 bytes, the last one a zero.
const SOCKET_PATH_MAX: usize = 107;

const FORM: &str = "\"http://host:port\", \"https://host\", \"h2c://host:port\" or \"unix:/path\"";

/// Whether this is how Unix sockets are written.
pub(super) fn is_unix(text: &str) -> bool {
    text.starts_with("unix:")
}

/// Where calls go.
pub(super) fn settings(c: &mut Check<'_>, table: &Table) -> UpstreamSettings {
    let node = key(table, "upstream");
    let own = table.get("upstream_tls").map(|tls| (tls, of_upstream(c, tls)));
    let Some((protocol, address)) = c.upstream(node) else {
        return UpstreamSettings::http(String::new(), 0); // reported
    };
    let mut tls = None;
    match (protocol, own) {
        (UpstreamProtocol::Https, own) => {
            // What could not be read is reported.
            let (place, own) = own.map_or((node, Some(Tls::default())), |(node, own)| (node, own));
            tls = own.and_then(|own| build(c, place, own, &address));
        }
        (_, Some((node, _))) => {
            let cure = "write upstream = \"https://host\", or take upstream_tls away";
            c.problem(&node.place, "upstream_tls is for an upstream with https://", cure);
        }
        (_, None) => {}
    }
    UpstreamSettings { protocol, address, tls }
}

/// `upstream_tls`, read.
#[derive(Default)]
struct Tls {
    identity: Option<Arc<TlsIdentity>>,
    server_name: Option<ServerName<'static>>,
}

/// `None`: there are mistakes in it.
fn of_upstream(c: &mut Check<'_>, node: &Node) -> Option<Tls> {
    let form = "upstream_tls = { ca_file = \"ca.pem\" }; its keys are ca_file, client_cert and \
                server_name";
    let keys = ["ca_file", "client_cert", "server_name"];
    let table = c.inline_table(node, &keys, "upstream_tls", form)?;
    // Read first: the mistakes of all keys are told at once.
    let identity = tls::identity(c, table);
    let server_name = match table.get("server_name") {
        None => None,
        Some(node) => {
            let text = c.text(node, "a host name")?;
            let name = ServerName::try_from(text.to_owned());
            if name.is_err() {
                let message = format!("{} is not a host name", quoted(text));
                let cure = "write the name that the upstream's certificate has";
                c.problem(&node.place, message, cure);
            }
            Some(name.ok()?)
        }
    };
    let is_wanted = table.get("ca_file").is_some() || table.get("client_cert").is_some();
    (identity.is_some() || !is_wanted).then_some(Tls { identity, server_name })
}

fn build(
    c: &mut Check<'_>,
    node: &Node,
    own: Tls,
    address: &UpstreamAddress,
) -> Option<Arc<UpstreamTls>> {
    let server_name = match (own.server_name, address) {
        (Some(name), _) => Some(name),
        (None, UpstreamAddress::Tcp { host, .. }) => {
            let host = host.strip_suffix('.').unwrap_or(host);
            ServerName::try_from(host.to_owned()).ok()
        }
        (None, UpstreamAddress::Unix(_)) => None,
    };
    let Some(server_name) = server_name else {
        let cure = "name it: upstream_tls = { server_name = \"api.internal\" }";
        c.problem(&node.place, "no certificate can have the name of this upstream", cure);
        return None;
    };
    let identity =
        own.identity.map_or(TlsIdentity { ca: None, client: None }, Arc::unwrap_or_clone);
    // Some milliseconds, and with a CA of its own nobody looks at them.
    let roots = if identity.ca.is_some() { RootCertStore::empty() } else { system_roots() };
    match UpstreamTls::new(identity, server_name, &Arc::new(roots)) {
        Ok(tls) => Some(Arc::new(tls)),
        Err(error) => {
            let cure = "ca_file and the files of client_cert must be in PEM form";
            c.problem(&node.place, error.to_string(), cure);
            None
        }
    }
}

impl Check<'_> {
    /// Where the proxy listens.
    pub(super) fn proxy_listen(&mut self, node: &Node) -> ListenAddress {
        let text = match &node.value {
            crate::config::node::Value::Text(text) if is_unix(text) => text,
            _ => return self.listen(node).into(),
        };
        ListenAddress::Unix(self.socket_path(node, text).unwrap_or_default())
    }

    /// What the upstream speaks, and where.
    fn upstream(&mut self, node: &Node) -> Option<(UpstreamProtocol, UpstreamAddress)> {
        let text = self.text(node, FORM)?;
        if is_unix(text) {
            let path = self.socket_path(node, text)?;
            return Some((UpstreamProtocol::Http, UpstreamAddress::Unix(path)));
        }
        // To the library of URLs only http and https are schemes with a host that it checks.
        let h2c = text.get(..6).filter(|scheme| scheme.eq_ignore_ascii_case("h2c://"));
        let url = match h2c {
            Some(_) => self.url(node, &format!("http://{}", &text[6..]), FORM)?,
            None => self.url(node, text, FORM)?,
        };
        let protocol = match (h2c, url.scheme()) {
            (Some(_), _) => UpstreamProtocol::H2c,
            (None, "http") => UpstreamProtocol::Http,
            (None, "https") => UpstreamProtocol::Https,
            (None, scheme) => {
                let message = format!("an upstream cannot have the scheme {}", quoted(scheme));
                self.problem(&node.place, message, format!("write {FORM}"));
                return None;
            }
        };
        if url.path() != "/" || url.query().is_some() {
            let scheme = h2c.map_or(url.scheme(), |_| "h2c");
            let authority = &url[Position::BeforeHost..Position::AfterPort];
            let cure = format!("write \"{scheme}://{authority}\": calls keep their own path");
            self.problem(&node.place, "an upstream has no path and no query", cure);
        }
        Some((protocol, self.tcp(node, &url)?))
    }

    fn tcp(&mut self, node: &Node, url: &Url) -> Option<UpstreamAddress> {
        let host = match url.host()? {
            Host::Ipv6(address) => address.to_string(),
            host => host.to_string(),
        };
        let port = url.port_or_known_default().unwrap_or(80);
        if port == 0 {
            let cure = "write the port of the API behind sidehook";
            self.problem(&node.place, "nothing can listen on port 0", cure);
            return None;
        }
        Some(UpstreamAddress::Tcp { host, port })
    }

    /// The path of `unix:/path`, relative ones from the folder of the configuration's file.
    fn socket_path(&mut self, node: &Node, text: &str) -> Option<PathBuf> {
        let written = text.strip_prefix("unix:").unwrap_or_default();
        let path = self.resolve(&node.place, written);
        let (message, cure) = match written {
            "" => ("no path".to_owned(), "write \"unix:/path\"".to_owned()),
            _ if written.starts_with("//") => {
                let cure = format!("write \"unix:/{}\"", written.trim_start_matches('/'));
                (format!("{} is a URL, not a path", quoted(text)), cure)
            }
            _ if written.contains('\0') => {
                ("a path has no zero in it".to_owned(), "take it out".to_owned())
            }
            _ if length(&path) > SOCKET_PATH_MAX => {
                let message = format!("the path of this socket has {} bytes", length(&path));
                (message, format!("write one of at most {SOCKET_PATH_MAX}: the system has no room"))
            }
            _ => return Some(path),
        };
        self.problem(&node.place, message, cure);
        None
    }
}

fn length(path: &Path) -> usize {
    path.as_os_str().len()
}
