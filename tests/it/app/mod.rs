//! The whole of sidehook in this process: start, stop in path order, start again.

mod managing;
mod pausing;
mod reload;
mod reload_admin;
mod stand;

use sidehook::app::App;
use sidehook::config::{Config, Inputs, load};
use tempfile::TempDir;

use crate::support::client::RawClient;
use crate::support::receiver::{Answer, Receiver};
use crate::support::upstream::{Act, Signal, Upstream, ok, reply};

const CALL: &str = "POST /tasks HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}";

/// One rule, one webhook, everything on free ports.
fn configuration(folder: &TempDir, upstream: &Upstream, receiver: &Receiver) -> Config {
    let toml = format!(
        "[proxy]\nlisten = \"127.0.0.1:0\"\nupstream = \"http://{}\"\nworkers = 1\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n\
         [delivery]\nallow_networks = [\"127.0.0.0/8\"]\nretry = [{}]\n\
         [[event]]\nlabel = \"task.created\"\nmethod = \"POST\"\nurl = '^/tasks$'\n\
         [[webhook]]\nname = \"w\"\nurl = \"{}\"\nevents = [\"*\"]\n",
        upstream.addr,
        ["\"50ms\""; 60].join(", "),
        receiver.url("/"),
    );
    let file = folder.path().join("sidehook.toml");
    std::fs::write(&file, toml).expect("writable");
    let inputs = Inputs { file: Some(file), ..Inputs::default() };
    load(&inputs).unwrap_or_else(|error| panic!("{error}"))
}

/// `App` brings its own runtime, so it is started and stopped outside of the test's.
async fn start(config: Config) -> App {
    let started = tokio::task::spawn_blocking(|| App::start(config)).await.expect("no panic");
    started.unwrap_or_else(|error| panic!("{error:#}"))
}

async fn stop(app: App) {
    tokio::task::spawn_blocking(|| app.stop()).await.expect("no panic");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_in_flight_at_the_stop_is_finished_and_its_event_delivered() {
    let folder = TempDir::new().expect("a temporary folder");
    let answer_now = Signal::new();
    let upstream = Upstream::always(vec![
        Act::Await(answer_now.clone()),
        Act::Send(reply("201 Created", "{}")),
    ])
    .await;
    let receiver = Receiver::start().await;
    let app = start(configuration(&folder, &upstream, &receiver)).await;
    let (proxy, admin) = (app.proxy_addr(), app.admin_addr());
    let mut client = RawClient::connect(proxy).await;
    client.send(CALL).await;
    upstream.request(0).await;

    let stopping = tokio::spawn(stop(app));
    // The admin API goes on, and says that no more calls should be sent here.
    loop {
        let mut probe = RawClient::connect(admin).await;
        probe.send("GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
        if probe.reply().await.status() == 503 {
            break;
        }
    }
    assert!(!stopping.is_finished(), "the call is still in flight");
    answer_now.give();
    assert_eq!(client.reply().await.status(), 201);
    stopping.await.expect("no panic");

    // Its webhook came before the end, or comes after the next start.
    let app = start(configuration(&folder, &upstream, &receiver)).await;
    assert!(receiver.received(1).await[0].body.starts_with(b"{\"event\""));
    stop(app).await;
    assert!(tokio::net::TcpStream::connect(proxy).await.is_err(), "nothing listens any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_delivered_is_delivered_after_a_restart_with_the_same_id() {
    let folder = TempDir::new().expect("a temporary folder");
    let upstream = Upstream::always(ok("{}")).await;
    let receiver = Receiver::start().await;
    receiver.otherwise(Answer::Status(500));
    let app = start(configuration(&folder, &upstream, &receiver)).await;
    let mut client = RawClient::connect(app.proxy_addr()).await;
    client.send(CALL).await;
    assert_eq!(client.reply().await.status(), 200);
    receiver.received(1).await;
    stop(app).await;

    let before = receiver.count();
    receiver.otherwise(Answer::Status(200));
    let app = start(configuration(&folder, &upstream, &receiver)).await;
    let received = receiver.received(before + 1).await;
    let ids: Vec<&str> = received.iter().map(|request| request.header("webhook-id")).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_fails_leaves_nothing_behind() {
    let folder = TempDir::new().expect("a temporary folder");
    let upstream = Upstream::always(ok("{}")).await;
    let receiver = Receiver::start().await;
    let mut config = configuration(&folder, &upstream, &receiver);
    config.proxy.listen = upstream.addr.into();
    let failed = tokio::task::spawn_blocking(|| App::start(config)).await.expect("no panic");
    let error = format!("{:#}", failed.expect_err("the address is taken"));
    assert!(error.contains(&upstream.addr.to_string()), "{error}");
    // The store is free again, and so is everything else.
    stop(start(configuration(&folder, &upstream, &receiver)).await).await;
}

/// The receiver belongs to the call's trace whatever is kept of its headers; nobody sees more.
#[tokio::test(flavor = "multi_thread")]
async fn a_traced_call_is_carried_on_though_its_header_is_not_kept() {
    let folder = TempDir::new().expect("a temporary folder");
    let upstream = Upstream::always(vec![Act::Send(reply("201 Created", "{}"))]).await;
    let receiver = Receiver::start().await;
    let mut config = configuration(&folder, &upstream, &receiver);
    config.proxy.capture.keep_headers = Some(Vec::new());
    let app = start(config).await;
    let mut client = RawClient::connect(app.proxy_addr()).await;
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let head = format!("POST /tasks HTTP/1.1\r\nhost: x\r\ntraceparent: {parent}\r\n");
    client.send(&format!("{head}content-length: 2\r\n\r\n{{}}")).await;
    assert_eq!(client.reply().await.status(), 201);
    let received = &receiver.received(1).await[0];
    let child = received.header("traceparent");
    assert!(child.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"), "{child}");
    assert_ne!(child, parent, "a span of its own");
    stop(app).await;
}

/// Enabled by hand, over restarts, until the file says something else.
#[tokio::test(flavor = "multi_thread")]
async fn an_operator_enables_what_the_file_says_is_not_active() {
    let folder = TempDir::new().expect("a temporary folder");
    let upstream = Upstream::always(vec![Act::Send(reply("201 Created", "{}"))]).await;
    let receiver = Receiver::start().await;
    let said = |active| {
        let mut config = configuration(&folder, &upstream, &receiver);
        config.webhooks[0].active = active;
        config
    };
    let app = start(said(false)).await;
    call(&app).await;
    assert_eq!(stands(&app).await, "disabled");
    assert_eq!(patch(&app, r#"{"status": "active"}"#).await, 200);
    receiver.received(1).await;
    stop(app).await;

    let app = start(said(false)).await;
    assert_eq!(stands(&app).await, "active", "over a restart");
    call(&app).await;
    receiver.received(2).await;
    stop(app).await;

    stop(start(said(true)).await).await;
    let app = start(said(false)).await;
    assert_eq!(stands(&app).await, "disabled", "the file has been changed since");
    stop(app).await;
}

async fn call(app: &App) {
    let mut client = RawClient::connect(app.proxy_addr()).await;
    client.send(CALL).await;
    assert_eq!(client.reply().await.status(), 201);
}

async fn ask(app: &App, request_line: &str, body: &str) -> crate::support::client::Reply {
    let mut client = RawClient::connect(app.admin_addr()).await;
    let token = app.token().reveal();
    let head =
        format!("{request_line} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}");
    let length = body.len();
    let kind = "content-type: application/json";
    client.send(&format!("{head}\r\n{kind}\r\ncontent-length: {length}\r\n\r\n{body}")).await;
    client.reply().await
}

/// The status of the only webhook, and its id.
async fn webhook(app: &App) -> (String, String) {
    let reply = ask(app, "GET /v1/webhooks", "").await;
    let list: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
    let text = |key: &str| list["data"][0][key].as_str().expect("text").to_owned();
    (text("status"), text("id"))
}

async fn stands(app: &App) -> String {
    webhook(app).await.0
}

async fn patch(app: &App, body: &str) -> u16 {
    let id = webhook(app).await.1;
    ask(app, &format!("PATCH /v1/webhooks/{id}"), body).await.status()
}
