//! Where things are: listen addresses, the upstream, networks, host names.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use ipnet::IpNet;
use url::{Host, Url};

use super::Check;
use crate::config::node::{Node, Value};
use crate::config::problem::quoted;

/// Stands in for an address that could not be read.
const NOWHERE: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0));

impl Check<'_> {
    pub(super) fn listen(&mut self, node: &Node) -> SocketAddr {
        let form = "an IP address and a port: \"127.0.0.1:8080\" or \"[::1]:8080\"";
        let Some(text) = self.text(node, form) else { return NOWHERE };
        if let Ok(address) = text.parse() {
            return address;
        }
        let (message, cure) = if text.starts_with("unix:") {
            let message = "the admin API listens on no Unix socket".to_owned();
            (message, format!("write {form}"))
        } else if let Some(port) = text.strip_prefix(':').filter(|port| port.parse::<u16>().is_ok())
        {
            let cure = format!("write \"0.0.0.0:{port}\" for every address of this machine");
            (format!("{} has no address", quoted(text)), cure)
        } else if let Some(port) = text.strip_prefix("localhost:") {
            let cure = format!("write \"127.0.0.1:{port}\"");
            (format!("{} is a name, not an IP address", quoted(text)), cure)
        } else {
            (format!("{} is not an address to listen on", quoted(text)), format!("write {form}"))
        };
        self.problem(&node.place, message, cure);
        NOWHERE
    }

    /// A URL with a host, without user information and fragment.
    pub(super) fn url(&mut self, node: &Node, text: &str, form: &str) -> Option<Url> {
        let url = match Url::parse(text) {
            Ok(url) => url,
            Err(error) => {
                // What cannot be read may hold a password all the same.
                let shown = if text.contains('@') {
                    self.sources().mask(&node.place);
                    "this".to_owned()
                } else {
                    quoted(as_written(node).unwrap_or(text))
                };
                let message = format!("{shown} is not a URL: {error}");
                self.problem(&node.place, message, format!("write {form}"));
                return None;
            }
        };
        if !url.username().is_empty() || url.password().is_some() {
            self.sources().mask(&node.place);
            let cure = "take it out; a webhook has basic_auth for it";
            self.problem(&node.place, "a URL here has no user name or password", cure);
            return None;
        }
        if url.fragment().is_some() {
            let cure = "take away the part from `#` on: it is never sent";
            self.problem(&node.place, "a URL here has no fragment", cure);
            return None;
        }
        Some(url)
    }

    pub(super) fn networks(&mut self, node: &Node) -> Vec<IpNet> {
        let form = "networks, such as [\"127.0.0.0/8\", \"10.1.0.0/16\"]";
        let items = self.list(node, form);
        items.iter().filter_map(|item| self.network(item)).collect()
    }

    fn network(&mut self, node: &Node) -> Option<IpNet> {
        let text = self.text(node, "a network, such as \"10.1.0.0/16\"")?;
        if let Ok(network) = text.parse::<IpNet>() {
            let whole = network.trunc();
            if whole != network {
                let message = format!("{} has bits set behind its prefix", quoted(text));
                self.problem(&node.place, message, format!("write \"{whole}\""));
            }
            return Some(whole);
        }
        let cure = match text.parse::<std::net::IpAddr>() {
            Ok(address) => format!("write \"{}\" for this one address", IpNet::from(address)),
            Err(_) => "write an IP network, such as \"127.0.0.0/8\" or \"fd00::/8\"".to_owned(),
        };
        self.problem(&node.place, format!("{} is not a network", quoted(text)), cure);
        None
    }

    /// Host names without scheme, port or path.
    pub(super) fn hosts(&mut self, node: &Node) -> Vec<String> {
        let items = self.list(node, "host names, such as [\"admin.example.com\"]");
        items.iter().filter_map(|item| self.host(item)).collect()
    }

    fn host(&mut self, node: &Node) -> Option<String> {
        let text = self.text(node, "a host name")?;
        if let Ok(host) = Host::parse(text) {
            return Some(host.to_string());
        }
        let message = format!("{} is not a host name", quoted(text));
        self.problem(&node.place, message, "write a name or address alone: \"admin.example.com\"");
        None
    }
}

fn as_written(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}
