//! What the demo says, and the calls it makes.

use std::io::{IsTerminal as _, Stdout, Write as _};
use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;

use crate::app::App;
use crate::cli::receiver::{Received, Signature, excerpt, in_words};

/// One call of the demo.
pub(super) struct Step {
    /// Its method.
    pub(super) method: &'static str,
    /// Its path.
    pub(super) path: &'static str,
    /// Its JSON body; empty for none.
    body: &'static str,
    /// The event it becomes, if any.
    pub(super) event: Option<&'static str>,
    /// What the visitor should notice.
    remark: &'static str,
}

/// The calls of a round, matching and not.
pub(super) const STEPS: [Step; 7] = [
    Step {
        method: "POST",
        path: "/api/v1/tasks",
        body: r#"{"title":"buy milk"}"#,
        event: Some("task.created"),
        remark: "a task is created: this matches a rule",
    },
    Step {
        method: "GET",
        path: "/api/v1/tasks",
        body: "",
        event: None,
        remark: "reading matches no rule: it only passes through",
    },
    Step {
        method: "PATCH",
        path: "/api/v1/tasks/1",
        body: r#"{"done":true}"#,
        event: Some("task.changed"),
        remark: "a change",
    },
    Step {
        method: "POST",
        path: "/api/v1/tasks",
        body: r#"{"done":true}"#,
        event: None,
        remark: "matches a rule, but the API refuses it: no success, no event",
    },
    Step {
        method: "POST",
        path: "/api/v1/tasks",
        body: r#"{"title":"call Zoë ☎"}"#,
        event: Some("task.created"),
        remark: "bodies arrive byte for byte",
    },
    Step {
        method: "DELETE",
        path: "/api/v1/tasks/1",
        body: "",
        event: Some("task.deleted"),
        remark: "an answer without a body is an event too",
    },
    Step {
        method: "DELETE",
        path: "/api/v1/tasks/1",
        body: "",
        event: None,
        remark: "gone already: 404 is no success",
    },
];

/// What the client got.
pub(super) struct Answer {
    status: StatusCode,
    body: Bytes,
}

/// Makes a call through sidehook as any client would.
pub(super) async fn call(proxy: SocketAddr, step: &Step) -> anyhow::Result<Answer> {
    let stream = tokio::net::TcpStream::connect(proxy).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut request = Request::builder()
        .method(step.method)
        .uri(step.path)
        .header("host", "tasks.example.com")
        .header("user-agent", "sidehook-demo");
    if !step.body.is_empty() {
        request = request.header("content-type", "application/json");
    }
    let request = request.body(Full::new(Bytes::from_static(step.body.as_bytes())))?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    Ok(Answer { status, body })
}

/// Writes the show.
pub(super) struct Show {
    out: Stdout,
    has_colours: bool,
}

impl Show {
    pub(super) fn new(out: Stdout) -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let has_colours = wanted && out.is_terminal();
        Self { out, has_colours }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.has_colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    pub(super) fn addresses(
        &mut self,
        upstream: SocketAddr,
        proxy: SocketAddr,
        receiver: SocketAddr,
    ) -> std::io::Result<()> {
        writeln!(
            self.out,
            "A task API, sidehook in front of it, and a receiver, all in this process:\n\n  \
             client -> sidehook {proxy} -> task API {upstream}\n              \
             `-> webhooks -> receiver {receiver}, which verifies every signature\n"
        )
    }

    pub(super) fn call(&mut self, step: &Step, answer: &Answer) -> std::io::Result<()> {
        let call = self.paint("1", &format!("{} {}", step.method, step.path));
        writeln!(self.out, "{call} {}", step.body)?;
        writeln!(self.out, "  {}", self.paint("2", step.remark))?;
        let body = excerpt(&answer.body, 300);
        writeln!(self.out, "  client    <- {} {body}", answer.status.as_u16())?;
        if step.event.is_none() {
            writeln!(self.out)?;
        }
        Ok(())
    }

    /// Shows a webhook; true when it is the expected event with verified signatures.
    pub(super) fn webhook(&mut self, step: &Step, webhook: &Received) -> std::io::Result<bool> {
        let event = excerpt(webhook.header("x-webhook-event").as_bytes(), 100);
        let is_expected = step.event == Some(event.as_str());
        let is_verified = matches!(webhook.signature, Signature::Verified(_));
        let words = in_words(&webhook.signature);
        let words = self.paint(if is_verified { "32" } else { "31" }, &words);
        writeln!(self.out, "  receiver  <- webhook {event}: {words}")?;
        writeln!(self.out, "               {}\n", excerpt(&webhook.body, 600))?;
        Ok(is_expected && is_verified)
    }

    pub(super) fn nothing_came(&mut self) -> std::io::Result<()> {
        writeln!(self.out, "  receiver  <- {}\n", self.paint("31", "NO WEBHOOK CAME"))
    }

    pub(super) fn verdict(&mut self, all_arrived: bool) -> std::io::Result<()> {
        let matching = STEPS.iter().filter(|step| step.event.is_some()).count();
        if all_arrived {
            let text = format!("All {matching} webhooks arrived with verified signatures.");
            writeln!(self.out, "{}", self.paint("32", &text))
        } else {
            writeln!(self.out, "{}", self.paint("31", "Not every webhook arrived as it should."))
        }
    }

    pub(super) fn invitation(&mut self, app: &App) -> std::io::Result<()> {
        let (proxy, admin, token) = (app.proxy_addr(), app.admin_addr(), app.token().reveal());
        writeln!(
            self.out,
            "\nIt stays up for you. In a browser, the dashboard:\n\n  {}#token={token}\n\n\
             In another terminal:\n\n  \
             curl -i http://{proxy}/api/v1/tasks -H 'content-type: application/json' \
             -d '{{\"title\":\"my own task\"}}'\n  \
             curl -s http://{admin}/v1/events -H 'authorization: Bearer {token}'\n  \
             sidehook deliveries --admin http://{admin} --token {token}\n\n\
             Ctrl-C ends it; its store is removed.",
            app.dashboard_url()
        )?;
        self.out.flush()
    }
}
