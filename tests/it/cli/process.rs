//! A running `sidehook` whose log is kept from the first byte to the last.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::sidehook;
use crate::support::{PATIENCE, found_blocking};

pub(crate) struct Process {
    child: Child,
    log: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
    pub(crate) proxy: String,
    pub(crate) admin: String,
}

impl Process {
    /// `run` in a folder with these variables, logging JSON.
    pub(super) fn start(folder: &Path, variables: &[(&str, &str)]) -> Self {
        Self::start_as(folder, &["--log-format", "json"], variables)
    }

    pub(super) fn start_as(folder: &Path, flags: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = sidehook(folder, &["run"]);
        command.args(flags).envs(variables.iter().copied());
        Self::of(command)
    }

    /// `run` in a folder under a hard limit of open files.
    pub(crate) fn start_under(folder: &Path, n_files: u32) -> Self {
        let mut command = Command::new("/bin/sh");
        let program = env!("CARGO_BIN_EXE_sidehook");
        let script = format!("ulimit -n {n_files} && exec '{program}' run --log-format json");
        command.args(["-c", &script]).current_dir(folder).env_clear();
        Self::of(command)
    }

    fn of(mut command: Command) -> Self {
        command.stderr(Stdio::piped()).stdin(Stdio::null());
        let mut child = command.spawn().expect("the binary starts");
        let mut stderr = child.stderr.take().expect("piped");
        let log = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&log);
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 8192];
            while let Ok(n @ 1..) = stderr.read(&mut bytes) {
                kept.lock().expect("no panic").extend_from_slice(&bytes[..n]);
            }
        });
        let (proxy, admin) = (String::new(), String::new());
        let mut process = Self { child, log, reader: Some(reader), proxy, admin };
        process.until("it runs", |log| log.contains("sidehook is running"));
        process.proxy = process.address("proxy");
        process.admin = process.address("admin");
        process
    }

    /// An address of the line that says where it runs, whatever the format of the log.
    fn address(&self, name: &str) -> String {
        let log = self.log();
        let line = log.lines().find(|line| line.contains("sidehook is running"));
        let line = line.expect("it runs").replace('"', "").replace(':', "=");
        let (_, rest) = line.split_once(&format!("{name}=")).expect("named");
        let (host, rest) = rest.split_once('=').expect("a host");
        let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
        format!("{host}:{port}")
    }

    pub(super) fn log(&self) -> String {
        String::from_utf8(self.log.lock().expect("no panic").clone()).expect("UTF-8")
    }

    /// The lines so far, each of them an object.
    pub(super) fn lines(&self) -> Vec<Value> {
        let log = self.log();
        let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let parse = |line: &str| match serde_json::from_str::<Value>(line) {
            Ok(value @ Value::Object(_)) => value,
            _ => panic!("not a JSON object: {line}"),
        };
        whole.lines().map(parse).collect()
    }

    pub(crate) fn until(&self, what: &str, holds: impl Fn(&str) -> bool) {
        let held = found_blocking(|| holds(&self.log()).then_some(()));
        assert!(held.is_some(), "{what}: {}", self.log());
    }

    pub(super) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    /// Stops it; all that it said.
    pub(crate) fn stop(mut self) -> String {
        self.signal(Signal::TERM);
        self.child.wait().expect("our child");
        self.reader.take().expect("once").join().expect("no panic");
        self.log()
    }
}

/// How it ends; a child that does not is killed.
pub(super) fn exit_code(child: &mut Child) -> Option<i32> {
    let ended = found_blocking(|| child.try_wait().expect("our child"));
    if ended.is_none() {
        child.kill().expect("our child");
    }
    ended.expect("it ends").code()
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends bytes to an address and reads to the end of the connection.
pub(crate) fn exchange(address: &str, bytes: impl AsRef<[u8]>) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    stream.write_all(bytes.as_ref()).expect("written");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}
