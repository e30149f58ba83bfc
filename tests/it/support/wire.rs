//! A listener that does with each connection as it is told: below HTTP, and below TLS.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Stops when dropped, and panics then if any of its work has.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) port: u16,
    has_panicked: Arc<AtomicBool>,
    _accepting: JoinSet<()>,
}

/// Whatever unwinds past it is not forgotten with its task.
struct Witness(Arc<AtomicBool>);

impl Wire {
    /// Does this with every connection, all at a time.
    pub(crate) async fn start<F, W>(work: F) -> Self
    where
        F: Fn(TcpStream) -> W + Send + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let has_panicked = Arc::<AtomicBool>::default();
        let told = Arc::clone(&has_panicked);
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut working = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (witness, work) = (Witness(Arc::clone(&told)), work(stream));
                working.spawn(async move {
                    let _witness = witness;
                    work.await;
                });
            }
        });
        Self { port, has_panicked, _accepting: accepting }
    }

    /// Reads something, writes these bytes, and then does nothing any more.
    pub(crate) async fn says(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::start(move |mut stream| {
            let bytes = bytes.clone();
            async move {
                some(&mut stream).await;
                let _ = stream.write_all(&bytes).await;
                std::future::pending::<()>().await;
            }
        })
        .await
    }

    pub(crate) fn url(&self, scheme: &str) -> url::Url {
        format!("{scheme}://127.0.0.1:{}/", self.port).parse().expect("a URL")
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let has_panicked = self.has_panicked.load(Ordering::Relaxed);
        assert!(
            !has_panicked || std::thread::panicking(),
            "what stands behind a wire has panicked"
        );
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.0.fetch_or(std::thread::panicking(), Ordering::Relaxed);
    }
}

/// Reads what comes first.
pub(crate) async fn some(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = stream.read_buf(&mut bytes).await;
    bytes
}

/// Ends a connection the hard way.
pub(crate) fn reset(stream: TcpStream) {
    let socket = socket2::SockRef::from(&stream);
    socket.set_linger(Some(Duration::ZERO)).expect("a TCP socket");
}

/// A port that takes no connection: its queue is full, and nobody accepts.
pub(crate) fn full_port() -> (u16, Vec<socket2::Socket>) {
    use socket2::{Domain, SockAddr, Socket, Type};
    let any = SockAddr::from(std::net::SocketAddr::from(([127, 0, 0, 1], 0)));
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    listener.bind(&any).expect("a free port");
    listener.listen(0).expect("listens");
    let address = listener.local_addr().expect("bound");
    let port = address.as_socket().expect("IPv4").port();
    let mut kept = vec![listener];
    for _ in 0..4 {
        let waiting = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        waiting.set_nonblocking(true).expect("a socket");
        let _ = waiting.connect(&address);
        kept.push(waiting);
    }
    (port, kept)
}
