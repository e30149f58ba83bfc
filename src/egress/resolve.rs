//! From a host to addresses, through the system's resolver (`/etc/hosts`, nsswitch, Kubernetes
//! search domains all hold).

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use tokio::sync::Semaphore;

/// Look-ups at a time. Each holds a thread of the runtime's blocking pool until the system's
/// resolver gives up, even when nobody waits for it any more.
const LOOKUPS_MAX: usize = 64;

/// Addresses looked at of one answer; a longer answer is cut.
const ADDRESSES_MAX: usize = 16;

/// The resolver.
#[derive(Clone, Debug)]
pub(super) enum Resolver {
    /// The system's.
    System(Arc<Semaphore>),
    /// Fixed answers, one after the other, the last one for ever.
    #[cfg(test)]
    Scripted(Arc<std::sync::Mutex<Vec<Vec<IpAddr>>>>),
}

impl Resolver {
    pub(super) fn system() -> Self {
        Self::System(Arc::new(Semaphore::new(LOOKUPS_MAX)))
    }

    /// The addresses of a name; never an empty list.
    pub(super) async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let addresses = match self {
            Self::System(permits) => look_up(Arc::clone(permits), name.to_owned()).await?,
            #[cfg(test)]
            Self::Scripted(answers) => {
                let mut answers = answers.lock().expect("no test panics while it holds this");
                if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() }
            }
        };
        if addresses.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
        }
        Ok(addresses)
    }
}

async fn look_up(permits: Arc<Semaphore>, name: String) -> io::Result<Vec<IpAddr>> {
    let permit = permits.acquire_owned().await.expect("the semaphore is never closed");
    let look_up = move || {
        let found = (name.as_str(), 0).to_socket_addrs();
        drop(permit); // only here: an abandoned look-up still holds its thread
        found.map(|found| {
            let mut addresses: Vec<IpAddr> =
                found.map(|address: SocketAddr| address.ip()).take(ADDRESSES_MAX).collect();
            addresses.dedup();
            addresses
        })
    };
    tokio::task::spawn_blocking(look_up).await.map_err(io::Error::other)?
}
