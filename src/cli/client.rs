//! The admin API from the shell: where it is, the token, and one request at a time.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;
use url::Url;

use super::access::{self, Access, Token};
use super::connection::{self, Connection};
use super::refusal;
use super::screen::{self, ColourChoice, Looks};

/// From the first byte to the last of one answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// The same where sidehook asks a receiver first, whose timeout the operator chose.
const LONG_PATIENCE: Duration = Duration::from_secs(600);
/// Largest answer it reads: far above one event with the largest captures.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// Query parameters; those without a value are left out.
pub(super) type Query = Vec<(&'static str, Option<String>)>;

/// The flags that every client of the admin API has.
#[derive(Debug, clap::Args)]
pub(super) struct AdminFlags {
    /// Where the admin API listens (default: as --config says, or http://127.0.0.1:8081).
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "SIDEHOOK_ADMIN",
        value_parser = parse_admin,
        help_heading = "Connection"
    )]
    admin: Option<Url>,
    /// The admin token (command lines are visible to other users: prefer the environment).
    #[arg(
        long,
        global = true,
        value_name = "TOKEN",
        env = "SIDEHOOK_TOKEN",
        hide_env_values = true,
        help_heading = "Connection"
    )]
    token: Option<String>,
    /// The configuration file of the sidehook to ask: it says where its admin API and its store are,
    /// and its token.
    #[arg(long, global = true, value_name = "FILE", help_heading = "Connection")]
    config: Option<PathBuf>,
    /// The directory of sidehook's store: without a token, the one kept there is used (default: as
    /// --config says, or data).
    #[arg(long, global = true, value_name = "DIR", help_heading = "Connection")]
    data: Option<PathBuf>,
    /// The certificates of the private authority behind an https address (PEM).
    #[arg(long, global = true, value_name = "FILE", help_heading = "Connection")]
    ca: Option<PathBuf>,
    /// Print JSON, also on a terminal.
    #[arg(long, global = true, help_heading = "Output")]
    json: bool,
    /// When to use colours; auto: on a terminal, unless NO_COLOR is set or TERM is dumb.
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        value_enum,
        default_value_t,
        help_heading = "Output"
    )]
    color: ColourChoice,
}

/// One answer.
#[derive(Debug)]
pub(super) struct Answer {
    text: String,
}

/// Nobody answered; an answer that is an error is none of these.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unreachable(String);

/// Asks the admin API.
pub(super) struct Client {
    admin: Url,
    token: Token,
    tls: Option<TlsConnector>,
    runtime: Runtime,
}

impl AdminFlags {
    /// Whether JSON is wanted: asked for, or nobody is looking.
    pub(super) fn wants_json(&self) -> bool {
        self.json || !screen::is_terminal()
    }

    /// How tables look.
    pub(super) fn looks(&self) -> Looks {
        Looks::of_stdout(self.color)
    }

    pub(super) fn client(&self) -> anyhow::Result<Client> {
        let named = access::Named {
            admin: self.admin.as_ref(),
            token: self.token.as_deref(),
            config: self.config.as_deref(),
            data: self.data.as_deref(),
        };
        let Access { admin, token } = named.find()?;
        let is_https = admin.scheme() == "https";
        let tls = is_https.then(|| connection::tls(self.ca.as_deref())).transpose()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Client { admin, token, tls, runtime })
    }
}

impl Answer {
    /// As a value of the given shape.
    pub(super) fn read<T: DeserializeOwned>(&self) -> anyhow::Result<T> {
        read(&self.text)
    }

    /// Prints it as JSON.
    pub(super) fn print(&self) -> anyhow::Result<ExitCode> {
        screen::print(&screen::json(&self.text))?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Client {
    pub(super) fn get(&self, path: &[&str]) -> anyhow::Result<Answer> {
        self.runtime.block_on(self.fetch(path, &Query::new()))
    }

    pub(super) fn post(&self, path: &[&str], body: Option<&Value>) -> anyhow::Result<Answer> {
        self.send(Method::POST, path, body)
    }

    /// A POST that is answered only after a receiver was asked.
    pub(super) fn post_and_wait(&self, path: &[&str], body: &Value) -> anyhow::Result<Answer> {
        let url = self.url(path, &Query::new())?;
        self.runtime.block_on(self.ask(Method::POST, &url, Some(body), LONG_PATIENCE))
    }

    /// Any other request.
    pub(super) fn send(
        &self,
        method: Method,
        path: &[&str],
        body: Option<&Value>,
    ) -> anyhow::Result<Answer> {
        let url = self.url(path, &Query::new())?;
        self.runtime.block_on(self.ask(method, &url, body, PATIENCE))
    }

    /// GET of `/livez` or `/readyz`: whether all is well, and what is said of it.
    pub(super) fn probe(&self, path: &str) -> anyhow::Result<(bool, Answer)> {
        let url = self.url(&[path], &Query::new())?;
        let (status, text) =
            self.runtime.block_on(self.patiently(Method::GET, &url, None, PATIENCE))?;
        match status {
            // Both answers are of the same form; any other status is somebody else's.
            StatusCode::OK | StatusCode::SERVICE_UNAVAILABLE => {
                Ok((status.is_success(), Answer { text }))
            }
            _ => bail!(self.refused(status, &text)),
        }
    }

    /// Runs what waits for more than one answer.
    pub(super) fn block_on<F: Future>(&self, work: F) -> F::Output {
        self.runtime.block_on(work)
    }

    /// GET, for those who wait for other things too.
    pub(super) async fn fetch(&self, path: &[&str], query: &Query) -> anyhow::Result<Answer> {
        self.ask(Method::GET, &self.url(path, query)?, None, PATIENCE).await
    }

    /// Begins a GET whose answer goes on and on. An error is of the connection; the caller looks
    /// at the status.
    pub(super) async fn open(
        &self,
        path: &[&str],
        query: &Query,
        last_event_id: Option<&str>,
    ) -> anyhow::Result<(Connection, Response<Incoming>)> {
        let mut request = self.request(Method::GET, &self.url(path, query)?);
        request = request.header(header::ACCEPT, "text/event-stream");
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        let request = request.body(Full::default()).context(BAD_TOKEN)?;
        let opened = async {
            let mut connection = Connection::open(&self.admin, self.tls.as_ref()).await?;
            let response = connection.send(request).await?;
            Ok((connection, response))
        };
        tokio::time::timeout(PATIENCE, opened)
            .await
            .unwrap_or_else(|_| Err(no_answer(PATIENCE)))
            .map_err(|error| self.unreachable(&error))
    }

    /// What an answer that is an error means for the one who asked.
    pub(super) async fn refusal(&self, response: Response<Incoming>) -> anyhow::Error {
        let status = response.status();
        let text = body(response.into_body()).await.unwrap_or_default();
        anyhow!(self.refused(status, &text))
    }

    fn url(&self, path: &[&str], query: &Query) -> anyhow::Result<Url> {
        let mut url = self.admin.clone();
        url.path_segments_mut().map_err(|()| anyhow!("not an http address"))?.extend(path);
        let given = query.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        if given.clone().next().is_some() {
            url.query_pairs_mut().extend_pairs(given);
        }
        Ok(url)
    }

    async fn ask(
        &self,
        method: Method,
        url: &Url,
        body: Option<&Value>,
        patience: Duration,
    ) -> anyhow::Result<Answer> {
        let (status, text) = self.patiently(method, url, body, patience).await?;
        if status.is_success() {
            return Ok(Answer { text });
        }
        bail!(self.refused(status, &text))
    }

    /// Whatever the answer is; an error only where there is none.
    async fn patiently(
        &self,
        method: Method,
        url: &Url,
        body: Option<&Value>,
        patience: Duration,
    ) -> anyhow::Result<(StatusCode, String)> {
        tokio::time::timeout(patience, self.exchange(method, url, body))
            .await
            .unwrap_or_else(|_| Err(no_answer(patience)))
            .map_err(|error| self.unreachable(&error))
    }

    async fn exchange(
        &self,
        method: Method,
        url: &Url,
        json: Option<&Value>,
    ) -> anyhow::Result<(StatusCode, String)> {
        let mut request = self.request(method, url);
        let mut bytes = Bytes::new();
        if let Some(json) = json {
            request = request.header(header::CONTENT_TYPE, "application/json");
            bytes = json.to_string().into();
        }
        let request = request.body(Full::new(bytes)).context(BAD_TOKEN)?;
        let mut connection = Connection::open(&self.admin, self.tls.as_ref()).await?;
        let response = connection.send(request).await?;
        let status = response.status();
        Ok((status, body(response.into_body()).await?))
    }

    fn request(&self, method: Method, url: &Url) -> http::request::Builder {
        let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
        let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
        let request = Request::builder().method(method).uri(target).header(header::HOST, host);
        match &self.token {
            Token::Here(token) => request.header(header::AUTHORIZATION, format!("Bearer {token}")),
            Token::Nowhere(_) => request,
        }
    }

    /// What happened, and then what to look at.
    fn unreachable(&self, error: &anyhow::Error) -> anyhow::Error {
        anyhow!(Unreachable(format!(
            "cannot ask sidehook at {}: {error:#}\n  is `sidehook run` up, with its admin API \
             there? --admin, SIDEHOOK_ADMIN or --config name another address",
            self.admin
        )))
    }

    fn refused(&self, status: StatusCode, text: &str) -> String {
        refusal::in_words(&self.admin, &self.token, status, text)
    }
}

/// A value of an answer; newer versions may say more than this one knows.
pub(super) fn read<T: DeserializeOwned>(text: &str) -> anyhow::Result<T> {
    serde_json::from_str(text)
        .context("the answer is not what this version of sidehook understands")
}

const BAD_TOKEN: &str = "the token holds characters that no token has";

fn no_answer(patience: Duration) -> anyhow::Error {
    anyhow!("it did not answer within {} s", patience.as_secs())
}

async fn body(body: Incoming) -> anyhow::Result<String> {
    let mut body = Limited::new(body, ANSWER_BYTES_MAX);
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| anyhow!(error)).context("the answer broke off")?;
        bytes.extend_from_slice(frame.data_ref().map_or(&[], AsRef::as_ref));
    }
    String::from_utf8(bytes).context("the answer is not text")
}

fn parse_admin(text: &str) -> Result<Url, String> {
    const FORM: &str = "an address looks like http://127.0.0.1:8081";
    let url: Url = text.parse().map_err(|error| format!("{error}; {FORM}"))?;
    let is_plain = url.username().is_empty() && url.password().is_none();
    match (url.scheme(), url.path(), url.query(), url.fragment(), url.host()) {
        ("http" | "https", "/", None, None, Some(_)) if is_plain => Ok(url),
        _ => Err(FORM.to_owned()),
    }
}
