//! From a host to addresses, through the system's resolver (`/etc/hosts`, nsswitch, Kubernetes
//! search domains all hold). A look-up holds a thread until the system gives up, even when
//! nobody waits for it any more; so there is one at a time per name, shared by all who ask, and
//! a name whose servers are silent costs the others one thread.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Look-ups at a time, of different names.
const LOOKUPS_MAX: usize = 64;

/// Addresses looked at of one answer; a longer answer is cut.
const ADDRESSES_MAX: usize = 16;

/// The resolver.
#[derive(Clone, Debug)]
pub(super) enum Resolver {
    /// The system's.
    System(System),
    /// Fixed answers, one after the other, the last one for ever.
    #[cfg(test)]
    Scripted(Arc<Mutex<Vec<Vec<IpAddr>>>>),
    /// Never answers.
    #[cfg(test)]
    Silent,
}

/// The system's resolver with the look-ups under way.
#[derive(Clone, Debug)]
pub(super) struct System {
    permits: Arc<Semaphore>,
    running: Arc<Mutex<Running>>,
}

type Running = HashMap<String, watch::Receiver<Answer>>;

/// `None` while the look-up runs. Errors are words, since many may need them.
type Answer = Option<Result<Vec<IpAddr>, String>>;

impl Resolver {
    pub(super) fn system() -> Self {
        let permits = Arc::new(Semaphore::new(LOOKUPS_MAX));
        Self::System(System { permits, running: Arc::default() })
    }

    /// The addresses of a name; never an empty list.
    pub(super) async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let addresses = match self {
            Self::System(system) => system.resolve(name).await?,
            #[cfg(test)]
            Self::Scripted(answers) => {
                let mut answers = answers.lock().expect("no test panics while it holds this");
                if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() }
            }
            #[cfg(test)]
            Self::Silent => std::future::pending().await,
        };
        if addresses.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
        }
        Ok(addresses)
    }
}

impl System {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let under_way = locked(&self.running).get(name).cloned();
        let mut answer = match under_way {
            Some(answer) => answer,
            None => {
                let permit = Arc::clone(&self.permits).acquire_owned().await;
                self.look_up(name, permit.expect("the semaphore is never closed"))
            }
        };
        let answer = answer.wait_for(Option::is_some).await;
        match answer.as_deref() {
            Ok(Some(Ok(addresses))) => Ok(addresses.clone()),
            Ok(Some(Err(words))) => Err(io::Error::other(words.clone())),
            Ok(None) | Err(_) => Err(io::Error::other("the look-up was broken off")),
        }
    }

    /// Starts a look-up, or joins the one that somebody else has started meanwhile. The permit
    /// goes with the look-up: it counts threads, not those who wait.
    fn look_up(&self, name: &str, permit: OwnedSemaphorePermit) -> watch::Receiver<Answer> {
        let mut running = locked(&self.running);
        if let Some(answer) = running.get(name) {
            return answer.clone();
        }
        let (sender, answer) = watch::channel(None);
        let name = name.to_owned();
        running.insert(name.clone(), answer.clone());
        let running = Arc::clone(&self.running);
        tokio::task::spawn_blocking(move || {
            let found = look_up(&name).map_err(|error| error.to_string());
            locked(&running).remove(&name);
            sender.send_replace(Some(found));
            drop(permit);
        });
        answer
    }
}

fn look_up(name: &str) -> io::Result<Vec<IpAddr>> {
    let found = (name, 0).to_socket_addrs()?;
    let mut addresses: Vec<IpAddr> =
        found.map(|address: SocketAddr| address.ip()).take(ADDRESSES_MAX).collect();
    addresses.dedup();
    Ok(addresses)
}

/// The table is whole after every operation on it, so a panic elsewhere does not spoil it.
fn locked(running: &Mutex<Running>) -> MutexGuard<'_, Running> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}
