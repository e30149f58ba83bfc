//! What a call goes out on: a connection of its own, or a place on one that speaks HTTP/2.

use std::rc::Rc;
use std::time::Duration;

use http::uri::Scheme;

use super::Pool;
use super::connect::{Connected, Protocol, connect};
use super::connection::Connection;
use super::h2::{Lease, Opening};
use crate::proxy::UpstreamProtocol;
use crate::proxy::error::UpstreamError;
use crate::proxy::timers::within;
use crate::proxy::wire::{Head, Name};

/// A way to the upstream.
pub(in crate::proxy) enum Reached {
    Http1(Box<Connection>),
    Http2(Lease),
}

/// What there is for a call where the upstream may speak HTTP/2.
enum Way {
    Http2(Lease),
    /// No place is free, and another connection may be opened.
    Open(Opening),
    /// The upstream was offered HTTP/2 and chose HTTP/1.1.
    Http1,
}

impl Pool {
    /// Finds a way for this request; `may_reuse`: on a connection that carried a call before.
    ///
    /// # Errors
    /// Nobody answers there, or not within `limit`.
    pub(in crate::proxy) async fn reach(
        &self,
        request: &Head,
        may_reuse: bool,
        limit: Duration,
    ) -> Result<Reached, UpstreamError> {
        let upstream = &self.home.upstream;
        let may_be_http2 = match upstream.protocol {
            UpstreamProtocol::Http => false,
            UpstreamProtocol::H2c => true,
            // Nothing switches from HTTP/2 to another protocol (RFC 9113 8.6).
            UpstreamProtocol::Https => !request.has(Name::Upgrade),
        };
        if may_be_http2 && !self.is_http1() {
            // Boxed: a call over HTTP/1 does not carry its state along.
            return Box::pin(self.reach_http2(limit)).await;
        }
        if may_reuse && let Some(connection) = self.take() {
            return Ok(Reached::Http1(connection));
        }
        let connected = connect(upstream, may_be_http2, limit).await?;
        if !may_be_http2 {
            // What it would have chosen is not known.
            let home = Rc::clone(&self.home);
            return Ok(Reached::Http1(Connection::new(connected.stream, home)));
        }
        self.connected(connected).await
    }

    /// Whether the upstream was last seen to choose HTTP/1.1.
    fn is_http1(&self) -> bool {
        self.chosen.get() == Some(Protocol::Http1)
    }

    async fn reach_http2(&self, limit: Duration) -> Result<Reached, UpstreamError> {
        let way = match self.way() {
            Some(way) => Some(way),
            None => within(&self.home.timers, Some(limit), self.wait_for_way()).await,
        };
        let opening = match way {
            Some(Way::Http2(lease)) => return Ok(Reached::Http2(lease)),
            Some(Way::Open(opening)) => Some(opening),
            Some(Way::Http1) => None,
            None => return Err(UpstreamError::ConnectTimeout { limit }),
        };
        if opening.is_none()
            && let Some(connection) = self.take()
        {
            return Ok(Reached::Http1(connection));
        }
        let connected = connect(&self.home.upstream, true, limit).await?;
        let reached = self.connected(connected).await;
        // The others may look again now.
        drop(opening);
        reached
    }

    async fn wait_for_way(&self) -> Way {
        loop {
            // Before looking, so that no change is missed.
            let mut changed = std::pin::pin!(self.http2.changed());
            changed.as_mut().enable();
            if let Some(way) = self.way() {
                return way;
            }
            changed.await;
        }
    }

    fn way(&self) -> Option<Way> {
        if self.is_http1() {
            return Some(Way::Http1);
        }
        let place = self.http2.place(&self.scheme()).map(Way::Http2);
        place.or_else(|| self.http2.opening().map(Way::Open))
    }

    fn scheme(&self) -> Scheme {
        match self.home.upstream.protocol {
            UpstreamProtocol::Https => Scheme::HTTPS,
            UpstreamProtocol::Http | UpstreamProtocol::H2c => Scheme::HTTP,
        }
    }

    async fn connected(&self, connected: Connected) -> Result<Reached, UpstreamError> {
        let Connected { stream, protocol } = connected;
        self.chosen.set(Some(protocol));
        Ok(match protocol {
            Protocol::Http1 => Reached::Http1(Connection::new(stream, Rc::clone(&self.home))),
            Protocol::Http2 => {
                Reached::Http2(Box::pin(self.http2.add(stream, self.scheme())).await?)
            }
        })
    }
}
