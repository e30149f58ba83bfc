//! TLS for what listens: a certificate and its key from files, taken anew when the files change.
//!
//! The files are read again every few seconds
//! and compared by content: that sees every way in which certificates are renewed, symbolic links that
//! are swapped included. What cannot be used is told once, and the old certificate stays.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::{InconsistentKeys, ServerConfig};
use sha2::{Digest as _, Sha256};
use tokio_rustls::TlsAcceptor;

use super::pem::{certificates, private_key};
use super::{Protocols, alpn};
use crate::shutdown::Stop;

/// Largest file, bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// How soon a renewed certificate is noticed.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The certificate of a listener; clones share it.
#[derive(Clone)]
pub struct ServerTls(Arc<Inner>);

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The certificate file.
    #[error("the certificate file {}: {reason}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The key file.
    #[error("the key file {}: {reason}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong; never what is in it.
        reason: String,
    },
}

struct Inner {
    certificate: PathBuf,
    key: PathBuf,
    protocols: Protocols,
    current: ArcSwap<ServerConfig>,
    seen: Mutex<Seen>,
}

/// Contents of both files, as digests.
struct Seen {
    used: [u8; 32],
    /// Seen last and of no use; told when it is still there at the next look: files are not
    /// replaced in one piece.
    useless: Option<([u8; 32], bool)>,
}

struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl ServerTls {
    /// Reads the files (blocking). `protocols`: what is spoken behind it.
    ///
    /// # Errors
    /// What is wrong with them, in words.
    pub fn load(
        certificate: PathBuf,
        key: PathBuf,
        protocols: Protocols,
    ) -> Result<Self, TlsError> {
        let files = Files::read(&certificate, &key)?;
        let config = files.config(&certificate, &key, protocols)?;
        let seen = Mutex::new(Seen { used: files.digest(), useless: None });
        let current = ArcSwap::from_pointee(config);
        Ok(Self(Arc::new(Inner { certificate, key, protocols, current, seen })))
    }

    /// For the next handshake.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.0.current.load_full())
    }

    /// Takes what the files hold now, if that is new and of use (blocking); true: it is in force.
    pub fn look(&self) -> bool {
        let Inner { certificate, key, protocols, current, seen } = &*self.0;
        let files = Files::read(certificate, key);
        let digest = files.as_ref().map_or([0; 32], Files::digest);
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        if digest == seen.used {
            seen.useless = None;
            return false;
        }
        match files.and_then(|files| files.config(certificate, key, protocols)) {
            Ok(config) => {
                current.store(Arc::new(config));
                *seen = Seen { used: digest, useless: None };
                let file = certificate.display();
                tracing::info!(%file, "a renewed certificate is in force for new connections");
                true
            }
            Err(error) => {
                let told = match seen.useless {
                    Some((last, told)) if last == digest => {
                        if !told {
                            tracing::error!(%error, "a renewed certificate is of no use; the old one stays");
                        }
                        true
                    }
                    _ => false,
                };
                seen.useless = Some((digest, told));
                false
            }
        }
    }

    /// Looks again and again until the stop.
    pub async fn follow(self, stop: Stop) {
        loop {
            tokio::select! {
                () = stop.stopped() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let this = self.clone();
            // A look that panics has been told; the next one may do better.
            drop(tokio::task::spawn_blocking(move || this.look()).await);
        }
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls")
            .field("certificate", &self.0.certificate)
            .finish_non_exhaustive()
    }
}

impl Files {
    fn read(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        Ok(Self { certificate: read(certificate)?, key: read(key)? })
    }

    fn digest(&self) -> [u8; 32] {
        let parts = [Sha256::digest(&self.certificate), Sha256::digest(&self.key)];
        Sha256::digest(parts.concat()).into()
    }

    fn config(
        &self,
        certificate: &Path,
        key: &Path,
        protocols: Protocols,
    ) -> Result<ServerConfig, TlsError> {
        let chain = certificates(&self.certificate)
            .map_err(|reason| TlsError::Certificate { path: certificate.to_owned(), reason })?;
        let of_key = |reason| TlsError::Key { path: key.to_owned(), reason };
        let key = private_key(&self.key).map_err(of_key)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(|error| of_key(refusal(&error)))?;
        config.alpn_protocols = alpn(protocols);
        Ok(config)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let unreadable = |source| TlsError::Unreadable { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(unreadable(io::Error::other("it is larger than 1 MiB")));
    }
    Ok(bytes)
}

fn refusal(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            "it does not belong to the certificate (the first of its file must be the server's own)"
                .to_owned()
        }
        other => other.to_string(),
    }
}
