use super::*;

fn settings(allow: &[&str], deny: &[&str]) -> Settings {
    let nets = |list: &[&str]| list.iter().map(|net| net.parse().expect("a network")).collect();
    Settings {
        allow_networks: nets(allow),
        deny_networks: nets(deny),
        require_https: false,
        user_agent: "sidehook/test".to_owned(),
        response_kept_max: 0,
        ..Settings::default()
    }
}

fn judged(url: &str, settings: &Settings) -> Result<(), TargetError> {
    judge_url(&Url::parse(url).expect("a URL"), settings)
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// Every spelling that reaches a special address: loopback, this network, IPv6 that embeds IPv4,
/// private networks, cloud metadata, and the rest of the special-purpose registries.
const SPECIAL: &str = "
    127.0.0.1 127.255.255.254:8080 127.1 127.0.1 2130706433 0x7f000001 0x7f.1 0x7f.0x0.0x0.0x1
    0177.0.0.1 017700000001 0 0x 0.0.0.0:9000 0.1.2.3 127.0.0.1. localhost LOCALHOST localhost.
    a.localhost ①②⑦.⓪.⓪.① 127。0。0。1 ⓛocalhost %31%32%37.0.0.1 [::1] [::] [::ffff:127.0.0.1]
    [::ffff:7f00:1] [::ffff:0.0.0.0] [::127.0.0.1] [::ffff:0:127.0.0.1] [64:ff9b::7f00:1]
    [64:ff9b::a9fe:a9fe] [64:ff9b::808:808] [64:ff9b:1::a00:1] [2002:7f00:1::]
    [2002:a9fe:a9fe::] [2001:0:4136:e378:8000:63bf:3fff:fdd2] [2001:10::1] [2001:20::1]
    [2001:2::1] [fe80::1] [fe80::a9fe:a9fe] [fec0::1] [fc00::1] [fd12:3456::1] [ff02::1]
    [ff05::1] [2001:db8::1] [3fff::1] [100::1] [5f00::1] [4000::1] [2620:4f:8000::1] 10.0.0.1
    10.255.255.255 172.16.0.1 172.31.255.255 192.168.0.1 192.168.255.255 100.64.0.1
    100.127.255.255 169.254.169.254 0xA9FEA9FE 169.16689662 0251.0376.0251.0376 169.254.170.2
    169.254.170.23 169.254.169.253 169.254.169.123 169.254.42.42 169.254.0.23 [fd00:ec2::254]
    [fd00:ec2::23] [fd20:ce::254] [fd00:42::42] 168.63.129.16 100.100.100.200 192.0.0.192
    192.0.2.1 192.31.196.1 192.52.193.1 192.88.99.1 192.175.48.1 198.18.0.1 198.19.255.255
    198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
";

/// Public addresses, at the boundaries of special networks too, and names.
const PUBLIC: &str = "
    example.com ex%61mple.com localhost.example.com notlocalhost 1.1.1.1 8.8.8.8 9.255.255.255
    11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 168.63.129.15 168.63.129.17
    169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.0 192.0.3.0 192.167.255.255
    192.169.0.0 198.17.255.255 198.20.0.0 223.255.255.255 [2606:4700:4700::1111] [2001:200::1]
    [2001:4860:4860::8888] [2000::1] [2003::1] [::ffff:8.8.8.8] [3ffe::1]
";

#[test]
fn special_addresses_are_refused_in_every_spelling() {
    let settings = settings(&[], &[]);
    for host in SPECIAL.split_whitespace() {
        for scheme in ["http", "https"] {
            let refused = judged(&format!("{scheme}://{host}/"), &settings);
            assert!(matches!(refused, Err(TargetError::NotPublic { .. })), "{host}: {refused:?}");
        }
    }
}

#[test]
fn public_addresses_and_names_are_allowed_up_to_the_boundaries() {
    let settings = settings(&[], &[]);
    for host in PUBLIC.split_whitespace() {
        assert_eq!(judged(&format!("https://{host}/"), &settings), Ok(()), "{host}");
    }
}

#[test]
fn what_is_no_target_is_refused() {
    let open = settings(&["0.0.0.0/0"], &[]);
    for (url, error) in [
        ("ftp://example.com/", TargetError::Scheme { scheme: "ftp".to_owned() }),
        ("file:///etc/passwd", TargetError::Scheme { scheme: "file".to_owned() }),
        ("http://user@example.com/", TargetError::UserInfo),
        ("http://:pass@example.com/", TargetError::UserInfo),
        ("http://example.com:0/", TargetError::PortZero),
    ] {
        assert_eq!(judged(url, &open), Err(error), "{url}");
    }
    // These never become a URL: S12, S19, S32 and a port that `http::Uri` would swallow.
    for url in [
        "http://4294967296/",
        "http://256.256.256.256/",
        "http://1.2.3.4.5/",
        "http://08.1.1.1/",
        "http://127.0.0.1%00.example.com/",
        "http://a%2fb/",
        "http://[fe80::1%25eth0]/",
        "http://[fe80::1%eth0]/",
        "http://example.com:99999/",
        "http://example.com:+80/",
        "http:///",
    ] {
        assert!(Url::parse(url).is_err(), "{url}");
    }
}

#[test]
fn a_listed_network_opens_and_deny_goes_before() {
    let listed = settings(&["127.0.0.0/8", "10.1.0.0/16"], &["10.1.2.0/24", "8.8.8.8/32"]);
    for open in ["http://127.0.0.1:9000/", "http://[::ffff:127.0.0.1]/", "http://10.1.0.1/"] {
        assert_eq!(judged(open, &listed), Ok(()), "{open}");
    }
    assert_eq!(judged("http://localhost/", &listed), Ok(()));
    assert_eq!(
        local_addresses("localhost", &listed),
        Ok(vec![ip("127.0.0.1")]),
        "::1 is not listed: it is left out, not a reason to refuse"
    );
    assert!(matches!(judged("http://10.2.0.1/", &listed), Err(TargetError::NotPublic { .. })));
    for denied in ["http://10.1.2.3/", "http://8.8.8.8/", "http://[::ffff:8.8.8.8]/"] {
        let refused = judged(denied, &listed);
        assert!(matches!(refused, Err(TargetError::Denied { .. })), "{denied}: {refused:?}");
    }
}

#[test]
fn no_broad_entry_opens_where_clouds_keep_credentials() {
    let broad = settings(&["0.0.0.0/0", "::/0", "169.254.0.0/16"], &[]);
    for host in ["169.254.169.254", "168.63.129.16", "100.100.100.200", "fe80::1", "fd00:ec2::254"]
    {
        let refused = judge(ip(host), &broad);
        assert!(matches!(refused, Err(TargetError::NotPublic { .. })), "{host}: {refused:?}");
        let exact = settings(&[&IpNet::from(ip(host)).to_string()], &[]);
        assert_eq!(judge(ip(host), &exact), Ok(()), "{host}");
    }
    assert_eq!(judge(ip("192.168.1.1"), &broad), Ok(()));
}

#[test]
fn a_translation_prefix_is_no_way_around() {
    let nat64 = settings(&["64:ff9b::/96", "2002::/16"], &[]);
    assert_eq!(judge(ip("64:ff9b::808:808"), &nat64), Ok(()));
    for inner in ["64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:a00:1::"] {
        let refused = judge(ip(inner), &nat64);
        assert!(matches!(refused, Err(TargetError::NotPublic { .. })), "{inner}: {refused:?}");
    }
}

#[test]
fn the_error_names_the_cure() {
    let words = |url: &str| judged(url, &settings(&[], &[])).expect_err("refused").to_string();
    assert!(
        words("http://127.0.0.1/").contains("add \"127.0.0.0/8\" to [delivery] allow_networks")
    );
    assert!(words("http://localhost/").starts_with("localhost is not a public address"));
    assert!(words("http://169.254.169.254/").contains("\"169.254.169.254/32\""));
    assert!(words("http://[fd12::1]/").contains("\"fc00::/7\""));
    let https = Settings { require_https: true, ..settings(&[], &[]) };
    assert!(judged("https://example.com/", &https).is_ok());
    let refused = judged("http://example.com/", &https).expect_err("plain http");
    assert!(refused.to_string().contains("require_https"));
    let failure = Failure::from(refused);
    assert!(matches!(failure, Failure::Refused { reason: GuardReason::NotHttps, .. }));
}
