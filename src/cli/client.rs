//! The admin API from the shell: where it is, the token, and one request at a time.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use url::Url;

use super::answers::{Page, Problem, Webhook};
use super::screen;

/// From the first byte to the last of one answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Largest answer it reads: far above one event with the largest captures.
const ANSWER_BYTES_MAX: usize = 256 << 20;
/// Nobody writes a longer token by hand.
const TOKEN_BYTES_MAX: u64 = 4096;

/// The flags that every client of the admin API has.
#[derive(Debug, clap::Args)]
pub(super) struct AdminFlags {
    /// Where the admin API listens.
    #[arg(
        long,
        value_name = "URL",
        env = "SIDEHOOK_ADMIN",
        default_value = "http://127.0.0.1:8081",
        value_parser = parse_admin
    )]
    admin: Url,
    /// The admin token (command lines are visible to other users: prefer the environment).
    #[arg(long, value_name = "TOKEN", env = "SIDEHOOK_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// The directory of sidehook's store: without a token, the one kept there is used.
    #[arg(long, value_name = "DIR", default_value = "data")]
    data: PathBuf,
    /// Print JSON, also on a terminal.
    #[arg(long)]
    json: bool,
}

/// One answer.
#[derive(Debug)]
pub(super) struct Answer {
    text: String,
}

/// Asks the admin API.
#[derive(Debug)]
pub(super) struct Client {
    admin: Url,
    token: Option<String>,
    token_file: PathBuf,
    runtime: Runtime,
}

impl AdminFlags {
    /// Whether JSON is wanted: asked for, or nobody is looking.
    pub(super) fn wants_json(&self) -> bool {
        self.json || !screen::is_terminal()
    }

    pub(super) fn client(&self) -> anyhow::Result<Client> {
        let token_file = self.data.join("admin-token");
        let token = match &self.token {
            Some(token) => Some(token.clone()),
            None => read_token(&token_file)?,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Client { admin: self.admin.clone(), token, token_file, runtime })
    }
}

impl Answer {
    /// As a value of the given shape.
    pub(super) fn read<T: DeserializeOwned>(&self) -> anyhow::Result<T> {
        serde_json::from_str(&self.text)
            .context("the answer is not what this version of sidehook understands")
    }

    /// Prints it as JSON.
    pub(super) fn print(&self) -> anyhow::Result<ExitCode> {
        screen::print(&screen::json(&self.text))?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Client {
    pub(super) fn get(&self, path: &[&str]) -> anyhow::Result<Answer> {
        self.ask(Method::GET, path, &[])
    }

    pub(super) fn list(
        &self,
        path: &[&str],
        query: &[(&str, Option<String>)],
    ) -> anyhow::Result<Answer> {
        self.ask(Method::GET, path, query)
    }

    pub(super) fn post(&self, path: &[&str]) -> anyhow::Result<Answer> {
        self.ask(Method::POST, path, &[])
    }

    /// The webhooks, to show names beside ids.
    pub(super) fn webhooks(&self) -> anyhow::Result<Vec<Webhook>> {
        let query = [("limit", Some("200".to_owned()))];
        Ok(self.list(&["v1", "webhooks"], &query)?.read::<Page<Webhook>>()?.data)
    }

    fn ask(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, Option<String>)],
    ) -> anyhow::Result<Answer> {
        let mut url = self.admin.clone();
        url.path_segments_mut().map_err(|()| anyhow!("not an http address"))?.extend(path);
        let given = query.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        if given.clone().next().is_some() {
            url.query_pairs_mut().extend_pairs(given);
        }
        let asked = async { tokio::time::timeout(PATIENCE, self.exchange(method, &url)).await };
        let (status, text) = self
            .runtime
            .block_on(asked)
            .unwrap_or_else(|_| Err(anyhow!("it did not answer within {} s", PATIENCE.as_secs())))
            .with_context(|| self.unreachable())?;
        if status.is_success() {
            return Ok(Answer { text });
        }
        bail!(self.refused(status, &text))
    }

    async fn exchange(&self, method: Method, url: &Url) -> anyhow::Result<(StatusCode, String)> {
        let addresses = url.socket_addrs(|| None).context("the name cannot be resolved")?;
        let stream = TcpStream::connect(addresses.as_slice()).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
        let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
        let mut request = Request::builder().method(method).uri(target).header(header::HOST, host);
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request
            .body(Empty::<Bytes>::new())
            .context("the token holds characters that no token has")?;
        let answer = async move {
            let response = sender.send_request(request).await?;
            let status = response.status();
            anyhow::Ok((status, read(response.into_body()).await?))
        };
        let (answer, _) = tokio::join!(answer, connection);
        answer
    }

    fn unreachable(&self) -> String {
        format!(
            "cannot ask sidehook at {}: is `sidehook run` up, with its admin API there? \
             --admin or SIDEHOOK_ADMIN name another address",
            self.admin
        )
    }

    /// What an error means for the one who asked.
    fn refused(&self, status: StatusCode, text: &str) -> String {
        let problem: Problem = serde_json::from_str(text).unwrap_or_default();
        let detail = super::receiver::excerpt(problem.detail.as_bytes(), 500);
        let file = self.token_file.display();
        match status {
            StatusCode::UNAUTHORIZED if self.token.is_none() => format!(
                "no token: there is none in {file}. Give the [admin] token with --token or \
                 SIDEHOOK_TOKEN, or the store's directory with --data"
            ),
            StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS => format!(
                "{} does not accept this token. Give the [admin] token with --token or \
                 SIDEHOOK_TOKEN, or the store's directory with --data ({detail})",
                self.admin
            ),
            StatusCode::NOT_FOUND => format!(
                "{detail}; `sidehook events` and `sidehook deliveries` list what is kept \
                 ([store] retain and max_size say how long)"
            ),
            _ if detail.is_empty() => {
                format!("{} answered {status}; is this sidehook's admin address?", self.admin)
            }
            _ => format!("sidehook answered {status}: {detail}"),
        }
    }
}

async fn read(body: Incoming) -> anyhow::Result<String> {
    let mut body = Limited::new(body, ANSWER_BYTES_MAX);
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| anyhow!(error)).context("the answer broke off")?;
        bytes.extend_from_slice(frame.data_ref().map_or(&[], AsRef::as_ref));
    }
    String::from_utf8(bytes).context("the answer is not text")
}

/// The token that sidehook made, when it made one and we may read it.
fn read_token(file: &Path) -> anyhow::Result<Option<String>> {
    let Ok(opened) = File::open(file) else { return Ok(None) };
    let mut token = String::new();
    opened
        .take(TOKEN_BYTES_MAX)
        .read_to_string(&mut token)
        .with_context(|| format!("cannot read the token in {}", file.display()))?;
    let token = token.trim();
    Ok((!token.is_empty()).then(|| token.to_owned()))
}

fn parse_admin(text: &str) -> Result<Url, String> {
    let url: Url = text
        .parse()
        .map_err(|error| format!("{error}; an address looks like http://127.0.0.1:8081"))?;
    match (url.scheme(), url.path(), url.query(), url.host()) {
        ("http", "/", None, Some(_)) if url.username().is_empty() && url.password().is_none() => {
            Ok(url)
        }
        ("https", ..) => Err("https is not spoken here; use http, over a tunnel where the \
                              network is not yours (ssh -L 8081:127.0.0.1:8081)"
            .to_owned()),
        _ => Err("an address looks like http://127.0.0.1:8081".to_owned()),
    }
}
