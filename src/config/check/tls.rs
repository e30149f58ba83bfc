//! Certificates: `ca_file` and `client_cert` of webhooks, `tls` of listeners. Their files are read when
//! the configuration is.

use std::path::PathBuf;
use std::sync::Arc;

use super::Check;
use crate::config::node::{Node, Table};
use crate::config::problem::quoted;

use crate::model::{Secret, TlsIdentity};
use crate::tls::{Protocols, ServerTls, TlsIdentityError, check_identity};

/// Largest file of certificates, bytes: every root of a system's bundle fits several times.
const PEM_BYTES_MAX: u64 = 1 << 20;

/// What connections to a server use beyond the system's roots: `ca_file` and `client_cert`.
pub(super) fn identity(c: &mut Check<'_>, table: &Table) -> Option<Arc<TlsIdentity>> {
    let (ca_node, client_node) = (table.get("ca_file"), table.get("client_cert"));
    let ca = ca_node.map(|node| pem(c, node, "a CA file"));
    let client = client_node.map(|node| client(c, node));
    if matches!(ca, Some(None)) || matches!(client, Some(None)) {
        return None; // reported
    }
    let identity = TlsIdentity { ca: ca.flatten(), client: client.flatten() };
    if identity.ca.is_none() && identity.client.is_none() {
        return None;
    }
    if let Err(error) = check_identity(&identity) {
        let (node, cure) = match &error {
            TlsIdentityError::Ca(_) => (ca_node, "it must hold certificates in PEM form"),
            TlsIdentityError::Client(_) => (
                client_node,
                "cert must hold the certificate and those between it and its CA, key the \
                 certificate's private key without a passphrase, both in PEM form",
            ),
        };
        if let Some(node) = node.or(ca_node).or(client_node) {
            c.problem(&node.place, error.to_string(), cure);
        }
        return None;
    }
    Some(Arc::new(identity))
}

/// The certificate of a listener.
pub(super) fn server(c: &mut Check<'_>, node: &Node, protocols: Protocols) -> Option<ServerTls> {
    let form = "tls = { cert = \"tls.crt\", key = \"tls.key\" }";
    let table = c.inline_table(node, &["cert", "key"], "tls", form)?;
    let cert = c.required(table, &node.place, "cert", form);
    let key = c.required(table, &node.place, "key", form);
    let cert = cert.and_then(|node| path(c, node, "a certificate file"));
    let key = key.and_then(|node| path(c, node, "a key file"));
    let (cert, key) = (cert?, key?);
    // It follows them by itself; here they are looked at where there is no good configuration.
    c.note_file(&cert, PEM_BYTES_MAX);
    c.note_file(&key, PEM_BYTES_MAX);
    match ServerTls::load(cert, key, protocols) {
        Ok(tls) => Some(tls),
        Err(error) => {
            let cure = "cert must hold the server's certificate and those between it and its CA, key \
                        its private key without a passphrase, both in PEM form and readable for \
                        sidehook";
            c.problem(&node.place, error.to_string(), cure);
            None
        }
    }
}

fn client(c: &mut Check<'_>, node: &Node) -> Option<(Vec<u8>, Secret)> {
    let form = "client_cert = { cert = \"c.pem\", key = \"k.pem\" }";
    let table = c.inline_table(node, &["cert", "key"], "client_cert", form)?;
    let cert = c.required(table, &node.place, "cert", form);
    let key = c.required(table, &node.place, "key", form);
    let cert = cert.and_then(|node| pem(c, node, "a certificate file"));
    let key = key.and_then(|node| {
        let bytes = pem(c, node, "a key file")?;
        let text = String::from_utf8(bytes).ok();
        if text.is_none() {
            c.problem(&node.place, "the key file is not text", "write one in PEM form");
        }
        text
    });
    Some((cert?, Secret::new(key?)))
}

/// A path, relative to the folder of the configuration's file.
fn path(c: &mut Check<'_>, node: &Node, what: &str) -> Option<PathBuf> {
    let text = c.text(node, &format!("the path of {what}"))?;
    if text.is_empty() {
        c.problem(&node.place, "the path is empty", format!("write the path of {what}"));
        return None;
    }
    Some(c.resolve(&node.place, text))
}

/// Reads a file.
fn pem(c: &mut Check<'_>, node: &Node, what: &str) -> Option<Vec<u8>> {
    let path = path(c, node, what)?;
    let read = c.read_file(&path, PEM_BYTES_MAX);
    let shown = quoted(&path.to_string_lossy());
    let (message, cure) = match read {
        Err(error) => (
            format!("cannot read {shown}: {error}"),
            "make it readable for sidehook, or correct the path",
        ),
        Ok(bytes) if bytes.len() as u64 > PEM_BYTES_MAX => {
            (format!("{shown} is larger than 1 MiB"), "write the path of a PEM file")
        }
        Ok(bytes) => return Some(bytes),
    };
    c.problem(&node.place, message, cure);
    None
}

/// Says what is of no use for a plain http target.
pub(super) fn warn_about_http(c: &mut Check<'_>, table: &Table, name: &str, url: &url::Url) {
    let keys = ["ca_file", "client_cert"];
    if url.scheme() == "http" && keys.iter().any(|key| table.get(key).is_some()) {
        c.warn(format!(
            "the webhook {} has plain http: its certificates are not used",
            quoted(name)
        ));
    }
}
