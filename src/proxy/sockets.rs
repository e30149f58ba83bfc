//! The sockets that the workers accept from.
//!
//! A TCP port has one socket for each worker (`SO_REUSEPORT`: the system shares the connections out).
//! Unix sockets have no such thing: there all workers accept from the same one.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::net::{TcpListener, UnixListener};

use super::ListenAddress;
use super::client::Peer;
use super::stream::Stream;

/// Connections that wait to be accepted, per socket.
const BACKLOG: i32 = 1024;

/// Who may open a Unix socket: its owner and its group.
const MODE: u32 = 0o660;

/// Sockets that listen, one per worker.
pub(super) struct Listening {
    pub(super) sockets: Vec<Unused>,
    /// Where; the real port when port 0 was asked for.
    pub(super) address: ListenAddress,
    /// A Unix socket's file.
    pub(super) file: Option<SocketFile>,
}

/// A socket that listens, without a runtime yet.
pub(super) enum Unused {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener),
}

/// What one worker accepts from.
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// The file of a Unix socket; removed when dropped, if it is still ours.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Device and number.
    identity: (u64, u64),
}

impl Listening {
    /// Opens them.
    pub(super) fn open(address: &ListenAddress, workers: usize) -> io::Result<Self> {
        match address {
            ListenAddress::Tcp(address) => Self::tcp(*address, workers.max(1)),
            ListenAddress::Unix(path) => Self::unix(path, workers.max(1)),
        }
    }

    fn tcp(mut address: SocketAddr, workers: usize) -> io::Result<Self> {
        if address.port() != 0 {
            // With SO_REUSEPORT alone another process of the same user would share the port unseen.
            socket(address, false)?;
        }
        let mut sockets = Vec::new();
        for _ in 0..workers {
            let socket = socket(address, true)?;
            socket.listen(BACKLOG)?;
            let listener = std::net::TcpListener::from(socket);
            // The first one chooses the port where 0 was asked for.
            address = listener.local_addr()?;
            sockets.push(Unused::Tcp(listener));
        }
        Ok(Self { sockets, address: address.into(), file: None })
    }

    fn unix(path: &Path, workers: usize) -> io::Result<Self> {
        remove_stale(path)?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.bind(&SockAddr::unix(path)?)?;
        let file = SocketFile::of(path)?;
        // Before it listens: until then nobody gets in, whatever the mask of the process is.
        fs::set_permissions(path, fs::Permissions::from_mode(MODE))?;
        socket.listen(BACKLOG)?;
        let mut sockets = Vec::new();
        for _ in 1..workers {
            sockets.push(Unused::Unix(socket.try_clone()?.into()));
        }
        sockets.push(Unused::Unix(socket.into()));
        Ok(Self { sockets, address: ListenAddress::Unix(path.to_owned()), file: Some(file) })
    }
}

impl Listener {
    /// On the runtime of its worker.
    pub(super) fn new(unused: Unused) -> io::Result<Self> {
        Ok(match unused {
            Unused::Tcp(listener) => Self::Tcp(TcpListener::from_std(listener)?),
            Unused::Unix(listener) => Self::Unix(UnixListener::from_std(listener)?),
        })
    }

    /// The next connection.
    pub(super) async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "a client left at once");
                }
                Ok((stream.into(), Peer::Ip(peer.ip().to_canonical())))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok((stream.into(), Peer::Local))
            }
        }
    }
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), identity: identity(path)? })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Another process may have put its own there since.
        if identity(&self.path).is_ok_and(|identity| identity == self.identity)
            && let Err(error) = fs::remove_file(&self.path)
        {
            let path = self.path.display();
            tracing::warn!(%path, %error, "the Unix socket's file cannot be removed");
        }
    }
}

fn socket(address: SocketAddr, is_shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(is_shared)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Removes what a process has left behind that is no more; who still answers is left alone.
fn remove_stale(path: &Path) -> io::Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !metadata.file_type().is_socket() {
        let what = "there is a file of another kind: remove it, or choose another path";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
    }
    // Without waiting: the queue of one that lives may be full.
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    probe.set_nonblocking(true)?;
    match probe.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        // It answers, or its queue is full.
        Ok(_) => Err(io::ErrorKind::AddrInUse.into()),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(io::ErrorKind::AddrInUse.into())
        }
        Err(error) => Err(error),
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}
