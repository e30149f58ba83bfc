//! An admin API made of canned answers, over real sockets; and a terminal to see its clients in.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output};
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use serde_json::Value;

use crate::cli::sidehook;

/// What stands for the id of a webhook.
pub(super) const WEBHOOK: &str = "wh_0123456789abcdef0123456789abcdef";
pub(super) const EVENT: &str = "evt_7019548689344a31a504a97a72c7f322";
pub(super) const DELIVERY: &str = "70195486-8934-4a31-a504-a97a72c7f322";

/// A request as it came in.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// `GET /v1/status`.
    pub(super) line: String,
    pub(super) headers: Vec<String>,
    pub(super) body: Value,
}

/// How a request is answered.
pub(super) enum Says {
    Json(u16, Value),
    /// An event stream that then ends.
    Stream(String),
    /// An event stream that stays open until the client has had enough.
    OpenStream(String),
    /// Not at all: the connection is closed.
    Nothing,
}

type Answers = dyn Fn(&Seen, usize) -> Says + Send + Sync;

/// Stops when dropped.
pub(super) struct Fake {
    pub(super) addr: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Fake {
    /// Answers each request; the number is how many of the same line came before it.
    pub(super) fn start(answers: impl Fn(&Seen, usize) -> Says + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let addr = listener.local_addr().expect("bound");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (answers, kept): (Arc<Answers>, _) = (Arc::new(answers), Arc::clone(&seen));
        // Both end with the process of the tests.
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (answers, kept) = (Arc::clone(&answers), Arc::clone(&kept));
                thread::spawn(move || serve(stream, &*answers, &kept));
            }
        });
        Self { addr, seen }
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no panic").clone()
    }

    /// The requests that change something.
    pub(super) fn changes(&self) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| !seen.line.starts_with("GET ")).collect()
    }

    pub(super) fn command(&self, folder: &Path, arguments: &[&str]) -> Command {
        let mut command = sidehook(folder, arguments);
        command.env("SIDEHOOK_ADMIN", format!("http://{}", self.addr));
        command.env("SIDEHOOK_TOKEN", "a-token");
        command
    }

    /// Runs a command with nobody looking.
    pub(super) fn run(&self, arguments: &[&str]) -> Output {
        let folder = tempfile::tempdir().expect("a folder");
        self.command(folder.path(), arguments).output().expect("the binary starts")
    }

    /// Runs a command on a terminal of 150 columns; what it shows, and its exit code.
    pub(super) fn show(&self, arguments: &[&str], environment: &[(&str, &str)]) -> (String, i32) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = self.command(folder.path(), arguments);
        command.envs(environment.iter().copied());
        let (mut terminal, mut child) = on_terminal(command, 150);
        let shown = terminal.rest();
        (shown, child.wait().expect("our child").code().expect("an exit code"))
    }
}

/// The side of a terminal where a person would sit.
pub(super) struct Terminal(File);

impl Terminal {
    /// All that is shown until the other side is closed.
    pub(super) fn rest(&mut self) -> String {
        let mut shown = Vec::new();
        let mut part = [0; 4096];
        // Linux tells the end of a terminal by an error.
        while let Ok(n @ 1..) = self.0.read(&mut part) {
            shown.extend_from_slice(&part[..n]);
        }
        String::from_utf8(shown).expect("text").replace("\r\n", "\n")
    }

    /// What is shown up to and with this.
    pub(super) fn until(&mut self, text: &str) -> String {
        let mut shown = String::new();
        let mut byte = [0];
        while !shown.ends_with(text) {
            let n = self.0.read(&mut byte).unwrap_or(0);
            assert_eq!(n, 1, "it ended before it showed {text:?}: {shown}");
            shown.push(char::from(byte[0]));
        }
        shown
    }

    pub(super) fn types(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).expect("a terminal");
    }
}

/// Starts a command with a terminal of so many columns as its stdin, stdout and stderr.
pub(super) fn on_terminal(mut command: Command, columns: u16) -> (Terminal, Child) {
    let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&near).expect("ours");
    unlockpt(&near).expect("ours");
    let path = ptsname(&near, Vec::new()).expect("it has a name");
    let path = path.to_str().expect("plain text");
    let far = OpenOptions::new().read(true).write(true).open(path).expect("its other side");
    let size = Winsize { ws_row: 30, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&far, size).expect("a terminal");
    let again = || far.try_clone().expect("a handle");
    command.stdin(again()).stdout(again()).stderr(again());
    let child = command.spawn().expect("the binary starts");
    (Terminal(File::from(near)), child)
}

fn serve(stream: TcpStream, answers: &Answers, kept: &Mutex<Vec<Seen>>) {
    let mut reader = BufReader::new(stream);
    let Some(seen) = read(&mut reader) else { return };
    let n_before = {
        let mut kept = kept.lock().expect("no panic");
        kept.push(seen.clone());
        kept.iter().filter(|other| other.line == seen.line).count() - 1
    };
    let mut stream = reader.into_inner();
    let head = |status: u16, kind: &str| {
        format!("HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\nconnection: close\r\n")
    };
    // A client that has gone is the test's matter.
    let _ = match answers(&seen, n_before) {
        Says::Json(status, value) => {
            let (head, body) = (head(status, "application/json"), value.to_string());
            stream
                .write_all(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).as_bytes())
        }
        Says::Stream(text) => {
            stream.write_all(format!("{}\r\n{text}", head(200, "text/event-stream")).as_bytes())
        }
        Says::OpenStream(text) => stream
            .write_all(format!("{}\r\n{text}", head(200, "text/event-stream")).as_bytes())
            .and_then(|()| stream.read(&mut [0]).map(drop)),
        Says::Nothing => Ok(()),
    };
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let length = lines.iter().find_map(|line| {
        line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok()
    });
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    Some(Seen {
        line: lines[0].trim_end_matches(" HTTP/1.1").to_owned(),
        headers: lines.split_off(1),
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    })
}
