//! A raw client: writes bytes, and tells exactly what came back and how it ended.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::soon;
use super::upstream::{fields, head_end, message_end};

/// One client connection.
pub(crate) struct RawClient {
    stream: TcpStream,
    input: Vec<u8>,
}

/// What came back until the connection closed.
pub(crate) struct Rest {
    pub(crate) bytes: Vec<u8>,
    pub(crate) was_reset: bool,
}

/// A response, complete.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl RawClient {
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).await.expect("the proxy listens");
        Self { stream, input: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.expect("the proxy reads");
    }

    /// Reads one complete response with a length or chunks.
    pub(crate) async fn reply(&mut self) -> Reply {
        soon("a complete response", self.reply_to(false)).await
    }

    /// Reads a response that has no body whatever its head says (HEAD, 204, 304).
    pub(crate) async fn reply_without_body(&mut self) -> Reply {
        soon("a response's head", self.reply_to(true)).await
    }

    /// Reads until these bytes have come; all that came.
    pub(crate) async fn read_until(&mut self, text: &str) -> String {
        let work = async {
            while !String::from_utf8_lossy(&self.input).contains(text) {
                assert!(self.read().await.expect("a response") > 0, "closed before {text:?}");
            }
        };
        soon(text, work).await;
        String::from_utf8_lossy(&self.input).into_owned()
    }

    /// Waits for something more to come.
    pub(crate) async fn read_more(&mut self) {
        let n = soon("something more", self.read()).await.expect("readable");
        assert!(n > 0, "closed after {}", self.received());
    }

    /// What has come and was not taken by a reply.
    pub(crate) fn received(&self) -> String {
        String::from_utf8_lossy(&self.input).into_owned()
    }

    /// Reads until the proxy closes.
    pub(crate) async fn rest(mut self) -> Rest {
        let work = async {
            loop {
                match self.read().await {
                    Ok(0) => return false,
                    Ok(_) => {}
                    Err(error) => {
                        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
                        return true;
                    }
                }
            }
        };
        let was_reset = soon("the end of the connection", work).await;
        Rest { bytes: self.input, was_reset }
    }

    /// Leaves with a reset.
    pub(crate) fn reset(self) {
        self.stream.set_zero_linger().expect("a socket");
    }

    async fn read(&mut self) -> io::Result<usize> {
        self.stream.read_buf(&mut self.input).await
    }

    async fn reply_to(&mut self, without_body: bool) -> Reply {
        let whole = |raw: &[u8]| if without_body { head_end(raw) } else { message_end(raw) };
        let end = loop {
            if let Some(end) = whole(&self.input) {
                break end;
            }
            let n = self.read().await.expect("a response");
            assert!(n > 0, "closed within a response: {:?}", self.received());
        };
        let body = head_end(&self.input).expect("whole");
        let rest = self.input.split_off(end);
        let message = std::mem::replace(&mut self.input, rest);
        let head = message[..body].iter().map(|&b| char::from(b)).collect();
        Reply { head, body: message[body..].to_vec() }
    }
}

impl Reply {
    pub(crate) fn status(&self) -> u16 {
        self.head[9..12].parse().expect("a status")
    }

    pub(crate) fn field(&self, name: &str) -> Vec<String> {
        fields(&self.head, name)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Asserts that this is one of the proxy's own answers (contract 5); its `detail`.
    pub(crate) fn problem(&self, status: u16, error: &str) -> String {
        assert_eq!(self.status(), status, "{}{}", self.head, self.text());
        assert_eq!(self.field("content-type"), ["application/problem+json"], "{}", self.head);
        assert_eq!(self.field("proxy-status"), [format!("sidehook; error={error}")]);
        let problem: serde_json::Value = serde_json::from_slice(&self.body).expect("JSON");
        assert_eq!(problem["status"], status);
        assert!(problem["type"].is_string() && problem["title"].is_string());
        problem["detail"].as_str().expect("text").to_owned()
    }
}
