//! How many heap allocations an unmatched call costs the whole process at steady state, and where
//! they are made. `scripts/bench proxy` prints it; `cargo run --release --example allocations` does.
//!
//! Client and upstream are threads that allocate nothing while calls run, so that what is counted is
//! sidehook's. Inlined functions do not show among the places unless the build keeps its debug
//! information: `CARGO_PROFILE_RELEASE_STRIP=none`.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;

use sidehook::app::App;
use sidehook::config::{self, Inputs};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// Calls that are counted, and those before them.
const CALLS: u64 = 2000;
const WARM_UP: u64 = 200;
/// Places with fewer allocations per call than this are not of a call.
const SHARE_MIN: f64 = 0.01;
const NAME_CHARS: usize = 110;

const HEAD_END: &[u8] = b"\r\n\r\n";

fn main() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let upstream = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let to = upstream.local_addr().expect("a bound socket").port();
    std::thread::spawn(move || serve(&upstream));
    let listen = free_port();
    let file = folder.path().join("sidehook.toml");
    std::fs::write(&file, configuration(listen, to)).expect("a file");
    let config = config::load(&Inputs { file: Some(file), ..Inputs::default() });
    let config = config.unwrap_or_else(|problems| panic!("{problems}"));
    let app = App::start(config).expect("the ports are free");

    let body = "z".repeat(2048);
    let post = format!(
        "POST /orders HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n\
         Content-Length: 2048\r\n\r\n{body}"
    );
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n");
    for (name, request) in
        [("GET 200 B", get("/small")), ("POST 2 KiB / 2 KiB", post), ("GET 64 KiB", get("/large"))]
    {
        let client = TcpStream::connect((Ipv4Addr::LOCALHOST, listen)).expect("it listens");
        let shown = folder.path().join("dhat.json");
        measure(name, client, request.as_bytes(), &shown);
    }
    app.stop();
}

fn measure(name: &str, mut client: TcpStream, request: &[u8], profile: &Path) {
    let mut buffer = vec![0; 1 << 20];
    let mut calls = |n: u64| {
        for _ in 0..n {
            client.write_all(request).expect("it takes the request");
            assert!(message(&mut client, &mut buffer).is_some(), "the proxy hung up");
        }
    };
    calls(WARM_UP);
    let profiler = dhat::Profiler::builder().file_name(profile).trim_backtraces(Some(60)).build();
    calls(CALLS);
    let found = dhat::HeapStats::get();
    drop(profiler);
    let share = |n: u64| per_call(n as f64);
    let (blocks, bytes) = (share(found.total_blocks), share(found.total_bytes));
    println!("{name}: {blocks:.2} allocations, {bytes:.0} bytes per call");
    let text = std::fs::read_to_string(profile).expect("the profile that was just written");
    places(&serde_json::from_str(&text).expect("JSON"));
}

/// Where they are made, the most frequent first: the innermost functions of sidehook, or of all.
fn places(profile: &serde_json::Value) {
    let names = profile["ftbl"].as_array().expect("dhat's table of frames");
    let name = |frame: &serde_json::Value| {
        let at = frame.as_u64().and_then(|at| usize::try_from(at).ok()).expect("an index");
        let text = names[at].as_str().expect("a name");
        let text = text.split_once(": ").map_or(text, |(_, name)| name);
        let text = text.trim_end_matches(" (???:0:0)");
        text.chars().take(NAME_CHARS).collect::<String>()
    };
    let mut places: Vec<_> = profile["pps"].as_array().expect("dhat's places").iter().collect();
    places.sort_by_key(|place| std::cmp::Reverse(place["tbk"].as_u64()));
    for place in places {
        let share = |key: &str| per_call(place[key].as_f64().expect("a number"));
        if share("tbk") < SHARE_MIN {
            break;
        }
        let frames: Vec<String> =
            place["fs"].as_array().expect("frames").iter().map(name).collect();
        let is_inner = |frame: &&String| {
            !["alloc::", "<alloc::", "core::", "<core::", "dhat", "<dhat", "[root]"]
                .iter()
                .any(|other| frame.starts_with(other))
        };
        let first = frames.iter().find(is_inner);
        let own = frames.iter().find(|frame| frame.contains("sidehook"));
        let first = first.map_or("?", String::as_str);
        println!("  {:5.2} x {:6.0} bytes  {first}", share("tbk"), share("tb") / share("tbk"));
        if let Some(own) = own.filter(|own| own.as_str() != first) {
            println!("                        in {own}");
        }
    }
}

fn per_call(n: f64) -> f64 {
    n / CALLS as f64
}

fn configuration(listen: u16, upstream: u16) -> String {
    let rules: String = (0..10)
        .map(|n| {
            format!(
                "[[event]]\nlabel = \"order.no{n}\"\nmethod = \"*\"\nurl = '^/orders/{n}/items$'\n"
            )
        })
        .collect();
    format!(
        "[proxy]\nlisten = \"127.0.0.1:{listen}\"\nupstream = \"http://127.0.0.1:{upstream}\"\n\
         workers = 1\n[store]\npath = \"data\"\n[admin]\nlisten = \"127.0.0.1:0\"\n{rules}"
    )
}

fn free_port() -> u16 {
    let probe = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    probe.local_addr().expect("a bound socket").port()
}

/// A thread per connection, which allocates before its first call only.
fn serve(listener: &TcpListener) {
    let answer = |n: usize| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length";
        format!("{head}: {n}\r\n\r\n{}", "x".repeat(n)).into_bytes()
    };
    for connection in listener.incoming() {
        let mut connection = connection.expect("enough file descriptors");
        let (small, middle, large) = (answer(200), answer(2048), answer(64 << 10));
        std::thread::spawn(move || {
            let mut buffer = vec![0; 1 << 20];
            while let Some(size) = message(&mut connection, &mut buffer) {
                let answer = match &buffer[..size] {
                    asked if asked.starts_with(b"POST") => &middle,
                    asked if asked.starts_with(b"GET /large") => &large,
                    _ => &small,
                };
                if connection.write_all(answer).is_err() {
                    return;
                }
            }
        });
    }
}

/// Reads one message whose head has a `Content-Length` or no body; its bytes.
fn message(from: &mut TcpStream, buffer: &mut [u8]) -> Option<usize> {
    let mut filled = 0;
    loop {
        match from.read(&mut buffer[filled..]) {
            Ok(n) if n > 0 => filled += n,
            _ => return None,
        }
        if let Some(size) = whole(&buffer[..filled]).filter(|&size| size <= filled) {
            return Some(size);
        }
    }
}

fn whole(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|end| end == HEAD_END)? + 4;
    let field = b"content-length:";
    let at = bytes[..head].windows(field.len()).position(|text| text.eq_ignore_ascii_case(field));
    let Some(at) = at else { return Some(head) };
    let digits = bytes[at + field.len()..head].trim_ascii_start();
    let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
    let length: usize = std::str::from_utf8(&digits[..end]).ok()?.parse().ok()?;
    Some(head + length)
}
