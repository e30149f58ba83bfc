use super::*;

fn ip(text: &str) -> Option<IpAddr> {
    Some(text.parse().expect("an address"))
}

/// A header of version 2 with these two bytes behind the signature, and this rest.
fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let len = u16::try_from(rest.len()).expect("short").to_be_bytes();
    [&V2_SIGNATURE[..], &[command, family], &len, rest].concat()
}

fn tcp4(extensions: &[u8]) -> Vec<u8> {
    binary(0x21, 0x11, &[&[192, 0, 2, 1, 10, 0, 0, 1, 0x9c, 0x40, 0, 80][..], extensions].concat())
}

fn tcp6() -> Vec<u8> {
    let client = "2001:db8::1".parse::<Ipv6Addr>().expect("an address").octets();
    binary(0x21, 0x21, &[&client[..], &[0; 16], &[0; 4]].concat())
}

/// Good headers and the clients that they name.
fn good() -> Vec<(Vec<u8>, Option<IpAddr>)> {
    let text = |line: &str| line.as_bytes().to_vec();
    let longest = format!("PROXY UNKNOWN {}\r\n", "x".repeat(107 - 16));
    vec![
        (text("PROXY TCP4 192.0.2.1 10.0.0.1 40000 80\r\n"), ip("192.0.2.1")),
        (text("PROXY TCP4 255.255.255.255 255.255.255.255 65535 0\r\n"), ip("255.255.255.255")),
        (text("PROXY TCP6 2001:db8::1 ::1 40000 80\r\n"), ip("2001:db8::1")),
        (
            text(
                "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff \
                 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
            ),
            ip("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ),
        (text("PROXY UNKNOWN\r\n"), None),
        (text("PROXY UNKNOWN whatever it says 1 2 3\r\n"), None),
        (text(&longest), None),
        (tcp4(&[]), ip("192.0.2.1")),
        (tcp4(&[0x04, 0, 3, 1, 2, 3]), ip("192.0.2.1")),
        (tcp4(&[0xee; V2_REST_MAX - 12]), ip("192.0.2.1")),
        (tcp6(), ip("2001:db8::1")),
        (binary(0x20, 0x00, &[]), None),
        (binary(0x20, 0x11, &[192, 0, 2, 1, 10, 0, 0, 1, 0x9c, 0x40, 0, 80]), None),
        (binary(0x20, 0x77, &[1, 2, 3]), None),
        (binary(0x21, 0x00, &[9; 20]), None),
        (binary(0x21, 0x31, &[0; 216]), None),
    ]
}

#[test]
fn every_good_header_names_its_client_whatever_follows() {
    for (bytes, client) in good() {
        let header = Ok(Parsed::Header { len: bytes.len(), client });
        assert_eq!(parse(&bytes), header, "{}", bytes.escape_ascii());
        let more = [&bytes[..], b"GET / HTTP/1.1\r\n\r\n"].concat();
        assert_eq!(parse(&more), header, "{}", bytes.escape_ascii());
    }
}

#[test]
fn a_header_that_comes_in_parts_is_waited_for() {
    for (bytes, _) in good() {
        for end in 0..bytes.len() {
            let part = &bytes[..end];
            assert_eq!(parse(part), Ok(Parsed::Incomplete), "{}", part.escape_ascii());
        }
    }
}

#[test]
fn what_is_not_exactly_a_header_is_refused() {
    let too_long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(108 - 16));
    let addresses = "PROXY TCP4 192.0.2.1 10.0.0.1";
    let lines = [
        "GET / HTTP/1.1\r\n\r\n",
        "proxy TCP4 192.0.2.1 10.0.0.1 1 2\r\n",
        " PROXY TCP4 192.0.2.1 10.0.0.1 1 2\r\n",
        "PROXY\tTCP4 192.0.2.1 10.0.0.1 1 2\r\n",
        "PROXY  TCP4 192.0.2.1 10.0.0.1 1 2\r\n",
        "PROXY tcp4 192.0.2.1 10.0.0.1 1 2\r\n",
        "PROXY UDP4 192.0.2.1 10.0.0.1 1 2\r\n",
        "PROXY \r\n",
        "PROXY TCP4\r\n",
        "PROXY UNKNOWNS\r\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 1\r\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 1 2 3\r\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 1 2 \r\n",
        "PROXY TCP4  192.0.2.1 10.0.0.1 1 2\r\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 1 2\n",
        "PROXY TCP4 192.0.2.1 10.0.0.1 1 2\rX",
        "PROXY TCP4 192.0.2.1 10.0.0.1\r\n 1 2\r\n",
        "PROXY TCP4 2001:db8::1 ::1 1 2\r\n",
        "PROXY TCP4 192.0.2.1 ::1 1 2\r\n",
        "PROXY TCP6 192.0.2.1 10.0.0.1 1 2\r\n",
        "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
        "PROXY TCP6 [2001:db8::1] ::1 1 2\r\n",
        "PROXY TCP4 192.0.2.256 10.0.0.1 1 2\r\n",
        "PROXY TCP4 192.0.2.01 10.0.0.1 1 2\r\n",
        "PROXY TCP4 192.0.2 10.0.0.1 1 2\r\n",
        "PROXY TCP4 3221225985 10.0.0.1 1 2\r\n",
        &format!("{addresses} 65536 2\r\n"),
        &format!("{addresses} 01 2\r\n"),
        &format!("{addresses} +1 2\r\n"),
        &format!("{addresses} -1 2\r\n"),
        &format!("{addresses} 1 x\r\n"),
        &format!("{addresses} 1 \r\n"),
        &too_long,
        &too_long[..107],
        "PROXY TCP4 192.0.2.1\0 10.0.0.1 1 2\r\n",
        "PROXY TCP4 \u{661}92.0.2.1 10.0.0.1 1 2\r\n",
        "\r\n\r\n\0\r\nQUIT\r",
    ];
    for line in lines {
        assert!(parse(line.as_bytes()).is_err(), "{}", line.escape_debug());
    }
    let bytes = [
        b"PROXY UNKN\xff\xfe\r\n".to_vec(),
        // Version 1 and 3, an unknown command.
        binary(0x11, 0x11, &[0; 12]),
        binary(0x31, 0x11, &[0; 12]),
        binary(0x22, 0x11, &[0; 12]),
        // Datagrams, unknown families and transports.
        binary(0x21, 0x12, &[0; 12]),
        binary(0x21, 0x32, &[0; 216]),
        binary(0x21, 0x41, &[0; 64]),
        binary(0x21, 0x13, &[0; 64]),
        binary(0x21, 0x01, &[0; 64]),
        // No room for the addresses.
        binary(0x21, 0x11, &[0; 11]),
        binary(0x21, 0x21, &[0; 35]),
        binary(0x21, 0x31, &[0; 215]),
        // More than anybody needs.
        binary(0x21, 0x11, &[0; V2_REST_MAX + 1]),
        binary(0x20, 0x00, &[0; V2_REST_MAX + 1]),
    ];
    for bytes in bytes {
        assert!(parse(&bytes).is_err(), "{}", bytes[..30.min(bytes.len())].escape_ascii());
    }
}

#[test]
fn what_cannot_become_a_header_is_refused_at_once() {
    for bytes in [
        &b"G"[..],
        b"PROXX",
        b"\x16\x03",
        b"\r\n\r\n\0\r\nQUIT\n\x31",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x12",
    ] {
        assert!(parse(bytes).is_err(), "{}", bytes.escape_ascii());
    }
    let bytes = [&V2_SIGNATURE[..], &[0x21, 0x11, 0xff, 0xff]].concat();
    assert!(parse(&bytes).is_err(), "its rest is not waited for");
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic_or_read_past_them(
        begin in 0..3_usize,
        bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300),
    ) {
        let begin = [&b""[..], b"PROXY TCP4 ", &V2_SIGNATURE][begin];
        let bytes = [begin, &bytes].concat();
        if let Ok(Parsed::Header { len, .. }) = parse(&bytes) {
            proptest::prop_assert!(len <= bytes.len() && len <= BYTES_MAX);
        }
    }
}
