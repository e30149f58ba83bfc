//! Starts the workers, each a thread with its own listener on the same address, and stops them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::LocalSet;

use super::arrive::welcome;
use super::forward::UpstreamHealth;
use super::pulse::{Beats, Pulse};
use super::sockets::{Listener, Listening, SocketFile, Unused};
use super::terms::InForce;
use super::worker::{Shared, Worker};
use super::{ListenAddress, Settings};
use crate::rules::RuleSet;
use crate::shutdown::Stop;
use crate::store::Store;
use crate::telemetry::{Metrics, Unserved};

/// Threads per worker for what may block: name look-ups, redaction of JSON.
const BLOCKING_THREADS_MAX: usize = 4;

/// After a failed accept (too many open files): the pause before the next one, and its longest.
const PAUSE_FIRST: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// So long after the last failure it is over.
const CALM: Duration = Duration::from_secs(1);

/// How soon a renewed certificate is noticed.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How long the threads get to end after their calls have been cut off.
const CUT_OFF_GRACE: Duration = Duration::from_secs(5);

/// Why the proxy does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another process listens there.
    #[error(
        "{address} is in use by another process: stop it, or choose another address in `[proxy] listen`"
    )]
    InUse {
        /// The address.
        address: ListenAddress,
        /// As the system says it.
        source: io::Error,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: see `[proxy] listen`")]
    Listen {
        /// The address.
        address: ListenAddress,
        /// As the system says it.
        source: io::Error,
    },
    /// The system gives no thread or no event queue.
    #[error("cannot start a worker thread")]
    Thread {
        /// As the system says it.
        source: io::Error,
    },
}

/// The running proxy. Dropped without [`Proxy::drain`], it cuts off what is in flight.
#[derive(Debug)]
pub struct Proxy {
    address: ListenAddress,
    /// Of a Unix socket, while it listens.
    file: Mutex<Option<SocketFile>>,
    in_force: InForce,
    draining: Stop,
    cut_off: Stop,
    workers: Mutex<Vec<Running>>,
    pulse: Pulse,
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Calls whose client did not get the whole response.
    pub calls_cut: usize,
    /// Matched calls that were not carried to their end: an event may be missing.
    pub matched_cut: usize,
}

#[derive(Debug)]
struct Running {
    thread: JoinHandle<()>,
    ended: oneshot::Receiver<Drained>,
}

impl Proxy {
    /// Listens and serves until `stop` is given; then in-flight calls are finished, for as long as
    /// [`Proxy::drain`] says.
    ///
    /// # Errors
    /// The address cannot be listened on, or the system has no threads left.
    pub fn start(
        settings: Settings,
        rules: RuleSet,
        store: Store,
        metrics: Arc<Metrics>,
        stop: Stop,
    ) -> Result<Self, StartError> {
        let Listening { sockets, address, file } =
            Listening::open(&settings.listen, settings.workers).map_err(|source| {
                let address = settings.listen.clone();
                match source.kind() {
                    io::ErrorKind::AddrInUse => StartError::InUse { address, source },
                    _ => StartError::Listen { address, source },
                }
            })?;
        let workers = settings.workers;
        let (tls, h2c) = (settings.tls.is_some(), settings.h2c);
        let proxy_protocol = settings.proxy_protocol;
        let in_force = InForce::new(settings, rules);
        let shared = Shared {
            in_force: in_force.clone(),
            store,
            metrics,
            crowd: Arc::default(),
            is_starved: Arc::default(),
        };
        let (draining, cut_off) = (Stop::new(), Stop::new());
        let file = Mutex::new(file);
        let (pulse, beats) = Pulse::of(sockets.len());
        let running = Mutex::default();
        let mut proxy =
            Self { address, file, in_force, draining, cut_off, workers: running, pulse };
        let stops = [stop, proxy.draining.clone(), proxy.cut_off.clone()];
        for (index, (listener, beats)) in sockets.into_iter().zip(beats).enumerate() {
            let running = start_worker(index, (listener, beats), shared.clone(), stops.clone())?;
            proxy.workers.get_mut().unwrap_or_else(PoisonError::into_inner).push(running);
        }
        tracing::info!(
            address = %proxy.address, tls, h2c, proxy_protocol, workers, "proxy listening"
        );
        Ok(proxy)
    }

    /// Where it listens; the real port when port 0 was asked for.
    pub const fn address(&self) -> &ListenAddress {
        &self.address
    }

    /// Its address and port; 0.0.0.0:0 where it listens on a Unix socket.
    pub const fn local_addr(&self) -> SocketAddr {
        match self.address {
            ListenAddress::Tcp(address) => address,
            ListenAddress::Unix(_) => SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
        }
    }

    /// How the upstream was doing when last seen.
    pub fn upstream_health(&self) -> &UpstreamHealth {
        self.in_force.upstream_health()
    }

    /// Its settings and rules, to be replaced.
    pub const fn in_force(&self) -> &InForce {
        &self.in_force
    }

    /// Whether its workers still turn.
    pub fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// Stops accepting, finishes what is in flight (matched calls without a client included) for
    /// at most `grace`, then cuts off the rest and ends the threads.
    pub async fn drain(&self, grace: Duration) -> Drained {
        self.draining.stop();
        // Nobody is to find it any more.
        drop(self.file.lock().unwrap_or_else(PoisonError::into_inner).take());
        let workers =
            std::mem::take(&mut *self.workers.lock().unwrap_or_else(PoisonError::into_inner));
        let (threads, mut ends): (Vec<_>, Vec<_>) =
            workers.into_iter().map(|worker| (worker.thread, worker.ended)).unzip();
        let mut drained = Drained::default();
        let mut cut_off = std::pin::pin!(tokio::time::sleep(grace));
        let mut give_up = std::pin::pin!(tokio::time::sleep(grace.saturating_add(CUT_OFF_GRACE)));
        for end in &mut ends {
            loop {
                tokio::select! {
                    one = &mut *end => {
                        drained.add(one.unwrap_or_default());
                        break;
                    }
                    () = &mut cut_off, if !self.cut_off.is_stopped() => self.cut_off.stop(),
                    () = &mut give_up => {
                        tracing::error!("a proxy thread does not end");
                        return drained;
                    }
                }
            }
        }
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a proxy thread panicked: its calls are lost");
            }
        }
        if drained != Drained::default() {
            tracing::warn!(
                calls = drained.calls_cut,
                matched = drained.matched_cut,
                "calls in flight were cut off at the end of shutdown_grace"
            );
        }
        drained
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut_off.stop();
    }
}

impl Drained {
    const fn add(&mut self, other: Self) {
        self.calls_cut += other.calls_cut;
        self.matched_cut += other.matched_cut;
    }
}

fn start_worker(
    index: usize,
    (listener, beats): (Unused, Beats),
    shared: Shared,
    stops: [Stop; 3],
) -> Result<Running, StartError> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .build()
        .map_err(|source| StartError::Thread { source })?;
    let (end, ended) = oneshot::channel();
    let thread = std::thread::Builder::new()
        .name(format!("proxy-{index}"))
        .spawn(move || {
            let drained = work(&runtime, (listener, beats), shared, &stops, index == 0);
            // A blocking look-up must not hold up the end.
            runtime.shutdown_background();
            if end.send(drained).is_err() {
                tracing::debug!("nobody waits for this proxy thread");
            }
        })
        .map_err(|source| StartError::Thread { source })?;
    Ok(Running { thread, ended })
}

/// One worker's life; what it had to cut off.
fn work(
    runtime: &Runtime,
    (listener, beats): (Unused, Beats),
    shared: Shared,
    stops: &[Stop; 3],
    is_first: bool,
) -> Drained {
    let local = LocalSet::new();
    let worker = Rc::new(Worker::new(shared));
    local.block_on(runtime, async {
        let ticking = Rc::clone(&worker);
        let timers = tokio::task::spawn_local(async move {
            let timers = Rc::clone(&ticking.timers);
            timers.run(|now| ticking.tick(now)).await;
        });
        tokio::task::spawn_local(beats.answer());
        if is_first {
            tokio::task::spawn_local(follow_certificate(worker.shared.in_force.clone()));
        }
        let [stop, draining, cut_off] = stops;
        tokio::select! {
            () = accept(&worker, listener) => {}
            () = stop.stopped() => {}
            () = draining.stopped() => {}
            () = cut_off.stopped() => {}
        }
        worker.draining.set(true);
        worker.timers.wake_all();
        tokio::select! {
            _ = worker.tasks.finished_within(Duration::MAX) => {}
            () = cut_off.stopped() => {}
        }
        timers.abort();
        Drained { calls_cut: worker.calls.get(), matched_cut: worker.matched.get() }
    })
}

/// Has the certificate looked at again and again, whichever is in force.
async fn follow_certificate(in_force: InForce) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let Some(tls) = in_force.given().settings.tls.clone() else { continue };
        // A look that panics has been told; the next one may do better.
        drop(tokio::task::spawn_blocking(move || tls.look()).await);
    }
}

async fn accept(worker: &Rc<Worker>, unused: Unused) {
    let listener = match Listener::new(unused) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "a proxy thread cannot listen");
            return;
        }
    };
    let mut pause = PAUSE_FIRST;
    let mut failed: Option<Instant> = None;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                pause = PAUSE_FIRST;
                // One file that was given back is not the end of it.
                if failed.is_some_and(|at| at.elapsed() > CALM) {
                    failed = None;
                    if worker.shared.is_starved.swap(false, Ordering::Relaxed) {
                        tracing::info!("clients are accepted again");
                    }
                }
                welcome(worker, stream, peer);
            }
            Err(error) if is_of_one(&error) => {
                tracing::debug!(%error, "a client left before it was accepted");
            }
            Err(error) => {
                worker.metrics().unserved(Unserved::Accept);
                failed = Some(Instant::now());
                if !worker.shared.is_starved.swap(true, Ordering::Relaxed) {
                    tracing::error!(
                        %error,
                        "clients cannot be accepted; trying on. Where it is open files, raise the \
                         limit (ulimit -n, LimitNOFILE=) or lower [proxy] max_connections"
                    );
                }
                // At once it would only fail again, and take the time of those that are served.
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }
}

/// What went wrong with one connection, and says nothing about the next (accept(2)).
fn is_of_one(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, Interrupted,
        NetworkDown, NetworkUnreachable, TimedOut,
    };
    matches!(
        error.kind(),
        ConnectionAborted
            | ConnectionRefused
            | ConnectionReset
            | HostUnreachable
            | Interrupted
            | NetworkDown
            | NetworkUnreachable
            | TimedOut
    )
}
