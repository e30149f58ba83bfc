//! A process that has not enough files for all who connect.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use super::callers::GET;
use crate::cli::process::{Process, exchange};
use crate::support::PATIENCE;
use crate::support::upstream::message_end;

/// C5: with no file left for another connection, those that are open go on, and the rest wait their
/// turn.
#[test]
fn too_many_open_files_are_told_once_and_got_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let toml = "[proxy]\nlisten = \"127.0.0.1:0\"\nupstream = \"http://127.0.0.1:1\"\nworkers = 2\n\
                [admin]\nlisten = \"127.0.0.1:0\"\ntoken = \"0123456789abcdef\"\n";
    fs::write(folder.path().join("sidehook.toml"), toml).expect("writable");
    let running = Process::start_under(folder.path(), 128);
    let address = &*running.proxy;
    let mut first = caller(address);
    assert!(asked(&mut first).starts_with("HTTP/1.1 502"), "nothing listens behind it");
    let more: Vec<_> = (0..200).map(|_| caller(address)).collect();
    running.until("it is told", |log| log.contains("clients cannot be accepted"));
    for _ in 0..10 {
        // One file is needed to look for the upstream, and there is none: an answer all the same.
        assert!(asked(&mut first).starts_with("HTTP/1.1 502"), "an open connection goes on");
    }
    drop(more);
    running.until("it is got over", |log| {
        assert!(asked(&mut caller(address)).starts_with("HTTP/1.1 502"));
        log.contains("clients are accepted again")
    });
    let metrics = exchange(
        &running.admin,
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Authorization: Bearer 0123456789abcdef\r\n\r\n",
    );
    let line = metrics.lines().find(|line| line.contains("unserved_total{reason=\"accept\"}"));
    let n = line.and_then(|line| line.rsplit_once(' ')).expect("counted").1;
    // Two threads that pause ever longer: without the pauses it would be hundreds of thousands.
    assert!((1..1000).contains(&n.parse::<u64>().expect("a number")), "{n}");
    let log = running.stop();
    assert_eq!(log.matches("cannot be accepted").count(), 1, "{log}");
}

fn caller(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    stream
}

fn asked(stream: &mut TcpStream) -> String {
    stream.write_all(GET.as_bytes()).expect("written");
    let mut answer = Vec::new();
    let mut bytes = [0; 4096];
    while message_end(&answer).is_none() {
        let n = stream.read(&mut bytes).expect("an answer");
        assert!(n > 0, "closed after {}", answer.escape_ascii());
        answer.extend_from_slice(&bytes[..n]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}
