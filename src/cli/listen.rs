//! `sidehook listen`: a receiver for development that prints each webhook.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use hyper::StatusCode;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::receiver::{self, Behaviour, Received, excerpt, passage};
use crate::model::{Scheme, Secret};
use crate::{config, sign};

/// Arguments of `listen`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Port; 0 for a free one.
    #[arg(long, value_name = "N", default_value_t = 9000)]
    port: u16,
    /// Address to listen on; in a container 0.0.0.0, so that others reach it.
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    bind: IpAddr,
    /// The secret to check signatures with: the HMAC key, an ed25519 key (whsk_, whpk_), or the
    /// text sent as `authorization`.
    #[arg(long, value_name = "S", value_parser = parse_secret)]
    secret: Option<Secret>,
    /// Status of every answer.
    #[arg(long, value_name = "STATUS", default_value_t = 200, value_parser = clap::value_parser!(u16).range(200..=599))]
    status: u16,
    /// Answer this many first requests with 500.
    #[arg(long, value_name = "N", default_value_t = 0)]
    fail_first: u64,
    /// Wait this long before every answer, such as 2s.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = config::parse_duration)]
    delay: Duration,
    /// Print whole bodies instead of the first 2,000 characters.
    #[arg(long)]
    full: bool,
}

fn parse_secret(text: &str) -> Result<Secret, String> {
    let secret = Secret::new(text);
    let is_pair = receiver::is_ed25519(&secret);
    let scheme = if is_pair { Scheme::StandardEd25519 } else { Scheme::Standard };
    sign::check_key(&scheme, &secret).map(|()| secret).map_err(|error| error.to_string())
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(listen(arguments))
}

async fn listen(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let wanted = SocketAddr::new(arguments.bind, arguments.port);
    let listener = TcpListener::bind(wanted)
        .await
        .with_context(|| format!("cannot listen on {wanted}; choose another --port or --bind"))?;
    let address = listener.local_addr()?;
    let behaviour = Behaviour {
        secret: arguments.secret,
        status: StatusCode::from_u16(arguments.status)?,
        fail_first: arguments.fail_first,
        delay: arguments.delay,
    };
    let mut out = std::io::stdout();
    writeln!(out, "listening on http://{address}/  (Ctrl-C ends)")?;
    if address.ip().is_loopback() {
        writeln!(
            out,
            "sidehook reaches it with: --webhook http://{address}/ --allow-network 127.0.0.0/8\n"
        )?;
    }
    // The first process of a container is not ended by a signal that it does not handle.
    let mut stops = signal(SignalKind::terminate())?;
    let chars_max = if arguments.full { usize::MAX } else { 2000 };
    let mut received = receiver::start(listener, behaviour);
    loop {
        tokio::select! {
            webhook = received.recv() => match webhook {
                Some(webhook) => print(&webhook, chars_max)?,
                None => return Ok(ExitCode::FAILURE),
            },
            _ = tokio::signal::ctrl_c() => return Ok(ExitCode::SUCCESS),
            _ = stops.recv() => return Ok(ExitCode::SUCCESS),
        }
    }
}

fn print(webhook: &Received, chars_max: usize) -> std::io::Result<()> {
    let header = |name| excerpt(webhook.header(name).as_bytes(), 200);
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{} {}  attempt {}  {}  answered {}",
        webhook.time,
        header("x-webhook-event"),
        header("x-webhook-attempt"),
        receiver::in_words(&webhook.signature),
        webhook.answered.as_u16(),
    )?;
    writeln!(out, "  webhook-id {}  {}", header("webhook-id"), header("content-type"))?;
    writeln!(out, "  {}\n", passage(&webhook.body, chars_max, "  "))?;
    out.flush()
}
