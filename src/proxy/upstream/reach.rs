//! What a call goes out on: a connection of its own, or a place on one that speaks HTTP/2.

use std::rc::Rc;
use std::time::Instant;

use super::Pool;
use super::connect::{Protocol, connect};
use super::connection::Connection;
use super::h2::{Lease, Way};
use crate::proxy::error::UpstreamError;
use crate::proxy::wire::{Head, Name};
use crate::proxy::{Settings, UpstreamProtocol};

/// A way to the upstream.
pub(in crate::proxy) enum Reached {
    Http1(Box<Connection>),
    Http2(Lease),
}

impl Pool {
    /// Finds a way for this request. One that was sent before, in vain, goes out on a new connection;
    /// over HTTP/2 it keeps its number in the line for a place.
    ///
    /// # Errors
    /// Nobody answers there, or not in time, or too many calls wait.
    pub(in crate::proxy) async fn reach(
        &self,
        request: &Head,
        is_first: bool,
        number: Option<u64>,
        settings: &Settings,
    ) -> Result<Reached, UpstreamError> {
        let upstream = &self.home.upstream;
        let limit = settings.connect_timeout;
        let may_be_http2 = match upstream.protocol {
            UpstreamProtocol::Http => false,
            UpstreamProtocol::H2c => true,
            // Nothing switches from HTTP/2 to another protocol (RFC 9113 8.6).
            UpstreamProtocol::Https => !request.has(Name::Upgrade),
        };
        loop {
            if may_be_http2 && !self.http2.is_http1() {
                if let Some(lease) = self.http2.free_place() {
                    return Ok(Reached::Http2(lease));
                }
                // Boxed: a call over HTTP/1 does not carry its state along.
                match Box::pin(self.http2.wait(settings, number)).await? {
                    Way::Http2(lease) => return Ok(Reached::Http2(lease)),
                    Way::Http1(Some(stream)) => {
                        let home = Rc::clone(&self.home);
                        return Ok(Reached::Http1(Connection::new(stream, home)));
                    }
                    Way::Http1(None) => {}
                }
            }
            if is_first && let Some(connection) = self.take() {
                return Ok(Reached::Http1(connection));
            }
            let start = Instant::now();
            let connected = connect(upstream, may_be_http2, limit).await?;
            // What it would have chosen is not known where it was not asked.
            if may_be_http2 {
                self.http2.saw(connected.protocol);
            }
            match connected.protocol {
                Protocol::Http2 if may_be_http2 => {
                    Box::pin(self.http2.begin(connected.stream, start, limit)).await?;
                }
                Protocol::Http1 | Protocol::Http2 => {
                    let home = Rc::clone(&self.home);
                    return Ok(Reached::Http1(Connection::new(connected.stream, home)));
                }
            }
        }
    }
}
