//! `sidehook demo`: a task API, sidehook and a verifying receiver in one process, on free ports,
//! and a handful of calls, so that a visitor sees each webhook arrive.

mod api;
mod show;

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use hyper::StatusCode;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::receiver::{self, Behaviour, Received};
use crate::app::App;
use crate::config::{self, Environment, FlagWebhook, Flags, Inputs};
use crate::model::Secret;
use show::Show;

/// Arguments of `demo`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Leave after the round of calls: 0 when every webhook arrived with a verified signature.
    #[arg(long)]
    once: bool,
    /// Only the task API, on this address, until it is stopped: an upstream to try things with.
    #[arg(long, value_name = "IP:PORT", conflicts_with = "once")]
    api: Option<SocketAddr>,
}

/// The demo's signing secret; it protects nothing.
const SECRET: &str = "whsec_ZGVtby1kZW1vLWRlbW8tZGVtby1kZW1v";

/// A free port of this machine.
const ANY: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0));

/// The rules of the demo, as on the command line.
const RULES: [&str; 3] = [
    "task.created=POST ^/api/v1/tasks$",
    "task.changed=PATCH ^/api/v1/tasks/(?<task_id>[0-9]+)$",
    "task.deleted=DELETE ^/api/v1/tasks/(?<task_id>[0-9]+)$",
];

/// How long a webhook may take to arrive before the demo calls it lost.
const PATIENCE: Duration = Duration::from_secs(15);

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    if let Some(address) = arguments.api {
        return runtime.block_on(only_the_api(address));
    }
    let folder = TemporaryFolder::create()?;
    let upstream = runtime.block_on(api::start(ANY)).context("cannot start the demo's task API")?;
    let (receiver, received) = runtime.block_on(start_receiver())?;
    let app = App::start(configuration(upstream, receiver, &folder)?)?;

    let mut show = Show::new(std::io::stdout());
    show.addresses(upstream, app.proxy_addr(), receiver)?;
    let all_arrived = runtime.block_on(round(&mut show, app.proxy_addr(), received))?;
    show.verdict(all_arrived)?;
    if !arguments.once {
        show.invitation(&app)?;
        app.wait_for_signal()?;
    }
    app.stop();
    Ok(if all_arrived { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn only_the_api(address: SocketAddr) -> anyhow::Result<ExitCode> {
    let mut stops = signal(SignalKind::terminate())?;
    let address =
        api::start(address).await.with_context(|| format!("cannot listen on {address}"))?;
    writeln!(std::io::stdout(), "the task API: http://{address}/api/v1/tasks")?;
    tokio::select! {
        _ = stops.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    Ok(ExitCode::SUCCESS)
}

async fn start_receiver() -> anyhow::Result<(SocketAddr, mpsc::Receiver<Received>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot start the receiver")?;
    let address = listener.local_addr()?;
    let behaviour = Behaviour {
        secret: Some(Secret::new(SECRET)),
        status: StatusCode::OK,
        fail_first: 0,
        delay: Duration::ZERO,
    };
    Ok((address, receiver::start(listener, behaviour)))
}

fn configuration(
    upstream: SocketAddr,
    receiver: SocketAddr,
    folder: &TemporaryFolder,
) -> anyhow::Result<config::Config> {
    let webhook = FlagWebhook {
        url: format!("http://{receiver}/webhooks"),
        secret: None,
        signing_secret: Some(SECRET.to_owned()),
    };
    let flags = Flags {
        upstream: Some(format!("http://{upstream}")),
        listen: Some("127.0.0.1:0".to_owned()),
        admin: Some("127.0.0.1:0".to_owned()),
        data: Some(folder.0.to_string_lossy().into_owned()),
        allow_networks: vec!["127.0.0.0/8".to_owned()],
        events: RULES.map(str::to_owned).to_vec(),
        webhooks: vec![webhook],
    };
    // The visitor's own environment has no say here.
    let inputs = Inputs { file: None, environment: Environment::default(), flags };
    Ok(config::load(&inputs)?)
}

/// Makes the calls one after the other and waits for the webhook of each that matches.
async fn round(
    show: &mut Show,
    proxy: SocketAddr,
    mut received: mpsc::Receiver<Received>,
) -> anyhow::Result<bool> {
    let mut all_arrived = true;
    for step in show::STEPS {
        let answer = show::call(proxy, &step)
            .await
            .with_context(|| format!("the demo's own call {} {} failed", step.method, step.path))?;
        show.call(&step, &answer)?;
        if step.event.is_none() {
            continue;
        }
        match tokio::time::timeout(PATIENCE, received.recv()).await {
            Ok(Some(webhook)) => all_arrived &= show.webhook(&step, &webhook)?,
            Ok(None) | Err(_) => {
                show.nothing_came()?;
                all_arrived = false;
            }
        }
    }
    Ok(all_arrived)
}

/// The demo's store, removed when the demo ends.
struct TemporaryFolder(std::path::PathBuf);

impl TemporaryFolder {
    fn create() -> anyhow::Result<Self> {
        let name = format!("sidehook-demo-{}", uuid::Uuid::new_v4().simple());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path)
            .with_context(|| format!("cannot make the demo's folder {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // Whatever stays behind lies in the system's folder for temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
