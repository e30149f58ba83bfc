//! Starts the workers, each a thread with its own listener on the same address, and stops them.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::BytesMut;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::LocalSet;

use super::client::{Accepted, Peer, Scheme, serve};
use super::forward::UpstreamHealth;
use super::stream::Stream;
use super::terms::InForce;
use super::worker::{Shared, Worker};
use super::{ListenAddress, Settings};
use crate::rules::RuleSet;
use crate::shutdown::Stop;
use crate::store::Store;
use crate::telemetry::Metrics;

/// Connections that wait to be accepted, per worker.
const BACKLOG: i32 = 1024;

/// Threads per worker for what may block: name look-ups, redaction of JSON.
const BLOCKING_THREADS_MAX: usize = 4;

/// After a failed accept (too many open files): the pause before the next.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

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
    local_addr: SocketAddr,
    in_force: InForce,
    draining: Stop,
    cut_off: Stop,
    workers: Mutex<Vec<Running>>,
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
        let listeners = listeners(&settings)?;
        let local_addr = listeners
            .first()
            .map_or(Err(io::ErrorKind::Unsupported.into()), TcpListener::local_addr)
            .map_err(|source| StartError::Listen { address: settings.listen.clone(), source })?;
        let workers = settings.workers;
        let in_force = InForce::new(settings, rules);
        let shared =
            Shared { in_force: in_force.clone(), store, metrics, connections: Arc::default() };
        let (draining, cut_off) = (Stop::new(), Stop::new());
        let mut proxy = Self { local_addr, in_force, draining, cut_off, workers: Mutex::default() };
        let stops = [stop, proxy.draining.clone(), proxy.cut_off.clone()];
        for (index, listener) in listeners.into_iter().enumerate() {
            let running = start_worker(index, listener, shared.clone(), stops.clone())?;
            proxy.workers.get_mut().unwrap_or_else(PoisonError::into_inner).push(running);
        }
        tracing::info!(address = %local_addr, workers, "proxy listening");
        Ok(proxy)
    }

    /// Where it listens; the real port when port 0 was asked for.
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// How the upstream was doing when last seen.
    pub fn upstream_health(&self) -> &UpstreamHealth {
        self.in_force.upstream_health()
    }

    /// Its settings and rules, to be replaced.
    pub const fn in_force(&self) -> &InForce {
        &self.in_force
    }

    /// Stops accepting, finishes what is in flight (matched calls without a client included) for
    /// at most `grace`, then cuts off the rest and ends the threads.
    pub async fn drain(&self, grace: Duration) -> Drained {
        self.draining.stop();
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

/// One listener per worker on the same address.
fn listeners(settings: &Settings) -> Result<Vec<TcpListener>, StartError> {
    let failed = |source: io::Error| {
        let address = settings.listen.clone();
        match source.kind() {
            io::ErrorKind::AddrInUse => StartError::InUse { address, source },
            _ => StartError::Listen { address, source },
        }
    };
    let ListenAddress::Tcp(mut address) = settings.listen else { return Ok(Vec::new()) };
    if address.port() != 0 {
        // With SO_REUSEPORT alone another process of the same user would share the port unseen.
        socket(address, false).map_err(failed)?;
    }
    let mut listeners = Vec::new();
    for _ in 0..settings.workers.max(1) {
        let socket = socket(address, true).map_err(failed)?;
        socket.listen(BACKLOG).map_err(failed)?;
        let listener = TcpListener::from(socket);
        // The first one chooses the port where 0 was asked for.
        address = listener.local_addr().map_err(failed)?;
        listeners.push(listener);
    }
    Ok(listeners)
}

fn socket(address: SocketAddr, is_shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(is_shared)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn start_worker(
    index: usize,
    listener: TcpListener,
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
            let drained = work(&runtime, listener, shared, &stops);
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
fn work(runtime: &Runtime, listener: TcpListener, shared: Shared, stops: &[Stop; 3]) -> Drained {
    let local = LocalSet::new();
    let worker = Rc::new(Worker::new(shared));
    local.block_on(runtime, async {
        let ticking = Rc::clone(&worker);
        let timers = tokio::task::spawn_local(async move {
            let timers = Rc::clone(&ticking.timers);
            timers.run(|now| ticking.tick(now)).await;
        });
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

fn accepted(stream: tokio::net::TcpStream, peer: SocketAddr) -> Accepted {
    let (peer, scheme) = (Peer::Ip(peer.ip()), Scheme::Http);
    Accepted { stream: Stream::Tcp(stream), peer, scheme, buffered: BytesMut::new() }
}

async fn accept(worker: &Rc<Worker>, listener: TcpListener) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "a proxy thread cannot listen");
            return;
        }
    };
    let mut is_failing = false;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                is_failing = false;
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "a client left at once");
                    continue;
                }
                worker.tasks.spawn_local(serve(Rc::clone(worker), accepted(stream, peer)));
            }
            Err(error) => {
                if !is_failing {
                    tracing::error!(%error, "clients cannot be accepted; trying on");
                }
                is_failing = true;
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
