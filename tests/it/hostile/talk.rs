//! A client that writes what it is told, and reads strictly what comes back.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::task::JoinHandle;

use super::strict::{self, Fault, Message};
use crate::support::until;

/// What does not come by then does not come: shorter than elsewhere, for every row that is wrong
/// waits for it.
pub(super) const PATIENCE: Duration = Duration::from_secs(8);

/// A connection to the proxy.
pub(super) struct Talk {
    reader: OwnedReadHalf,
    writing: Option<JoinHandle<tokio::net::tcp::OwnedWriteHalf>>,
    input: Vec<u8>,
    /// How much of it is read already.
    taken: usize,
    pub(super) end: Option<End>,
    /// Interim responses, before each final one.
    pub(super) interim: Vec<Message>,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Closed,
    Reset,
}

impl Talk {
    pub(super) async fn to(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).await.expect("the proxy listens");
        stream.set_nodelay(true).expect("a socket");
        let (reader, writer) = stream.into_split();
        let writing = Some(tokio::spawn(async move { writer }));
        Self { reader, writing, input: Vec::new(), taken: 0, end: None, interim: Vec::new() }
    }

    /// Writes in the background: whoever is refused early may not be read to the end.
    pub(super) async fn send(&mut self, bytes: &[u8]) {
        let before = self.writing.take().expect("writes until it is dropped");
        let bytes = bytes.to_vec();
        self.writing = Some(tokio::spawn(async move {
            let mut writer = before.await.expect("no panic");
            let _ = writer.write_all(&bytes).await;
            writer
        }));
    }

    /// Closes the sending side.
    pub(super) async fn finish(&mut self) {
        let writing = self.writing.take().expect("writes until it is dropped");
        let mut writer = writing.await.expect("no panic");
        let _ = writer.shutdown().await;
        self.writing = Some(tokio::spawn(async move { writer }));
    }

    /// Writes it in as many packets as it has bytes.
    pub(super) async fn send_bytewise(&mut self, bytes: &[u8]) {
        let before = self.writing.take().expect("writes until it is dropped");
        let bytes = bytes.to_vec();
        self.writing = Some(tokio::spawn(async move {
            let mut writer = before.await.expect("no panic");
            for byte in bytes {
                if writer.write_all(&[byte]).await.is_err() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            writer
        }));
    }

    /// Goes on with a byte each time this has passed, for ever.
    pub(super) async fn drip(&mut self, pause: Duration) {
        let before = self.writing.take().expect("writes until it is dropped");
        self.writing = Some(tokio::spawn(async move {
            let mut writer = before.await.expect("no panic");
            while writer.write_all(b"x").await.is_ok() {
                tokio::time::sleep(pause).await;
            }
            writer
        }));
    }

    /// Leaves with a reset.
    pub(super) async fn reset(&mut self) {
        let writing = self.writing.take().expect("writes until it is dropped");
        let writer = writing.await.expect("no panic");
        socket2::SockRef::from(writer.as_ref()).set_linger(Some(Duration::ZERO)).expect("a socket");
        let (unused, _) = TcpStream::connect(writer.peer_addr().expect("connected"))
            .await
            .expect("the proxy listens")
            .into_split();
        self.reader = unused;
    }

    /// The next final response, whole.
    pub(super) async fn response(&mut self, to_head: bool) -> Result<Message, String> {
        loop {
            let input = &self.input[self.taken..];
            match strict::response(input, to_head, self.end == Some(End::Closed)) {
                Ok(message) => {
                    self.taken += message.length;
                    let status = message.status();
                    if status >= 200 || status == 101 {
                        return Ok(message);
                    }
                    self.interim.push(message);
                    continue;
                }
                Err(Fault::Wrong(what)) => {
                    return Err(format!("the client got no response: {what}"));
                }
                Err(Fault::Incomplete) => {}
            }
            if let Some(end) = self.end {
                let got = strict::shown(input);
                return Err(format!("{end:?} before a whole response, after {got}"));
            }
            self.read().await?;
        }
    }

    /// Reads until the proxy closes; what else came.
    pub(super) async fn ended(&mut self) -> Result<Vec<u8>, String> {
        while self.end.is_none() {
            self.read().await?;
        }
        Ok(self.take())
    }

    /// What has come and is no part of a response, without waiting.
    pub(super) fn more(&mut self) -> Vec<u8> {
        let mut buffer = [0; 4096];
        while let Ok(n) = self.reader.try_read(&mut buffer) {
            if n == 0 {
                self.end = Some(End::Closed);
                break;
            }
            self.input.extend_from_slice(&buffer[..n]);
        }
        self.take()
    }

    fn take(&mut self) -> Vec<u8> {
        let left = self.input.split_off(self.taken);
        self.input.clear();
        self.taken = 0;
        left
    }

    async fn read(&mut self) -> Result<(), String> {
        self.input.drain(..self.taken);
        self.taken = 0;
        match tokio::time::timeout(PATIENCE, self.reader.read_buf(&mut self.input)).await {
            Ok(Ok(0)) => self.end = Some(End::Closed),
            Ok(Ok(_)) => {}
            Ok(Err(_)) => self.end = Some(End::Reset),
            Err(_) => {
                let got = strict::shown(&self.input);
                return Err(format!("neither answered nor closed in {PATIENCE:?}, after {got}"));
            }
        }
        Ok(())
    }
}

/// Waits until a condition holds; whether it does.
pub(super) async fn holds(condition: impl Fn() -> bool) -> bool {
    tokio::time::timeout(PATIENCE, until("the condition", condition)).await.is_ok()
}
