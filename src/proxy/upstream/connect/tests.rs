use tokio::net::TcpListener;

use super::*;

/// A port whose queue is full, so that a connection to it neither fails nor opens.
fn silent() -> (SocketAddr, Vec<socket2::Socket>) {
    use socket2::{Domain, SockAddr, Socket, Type};
    let any = SockAddr::from(SocketAddr::from(([127, 0, 0, 1], 0)));
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    listener.bind(&any).expect("a free port");
    listener.listen(0).expect("listens");
    let address = listener.local_addr().expect("bound");
    let mut kept = vec![listener];
    for _ in 0..4 {
        let waiting = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        waiting.set_nonblocking(true).expect("a socket");
        let _ = waiting.connect(&address);
        kept.push(waiting);
    }
    (address.as_socket().expect("IPv4"), kept)
}

#[tokio::test]
async fn every_address_is_tried_and_none_takes_the_others_time() {
    let (silent, _kept) = silent();
    let gone = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let refusing = gone.local_addr().expect("bound");
    drop(gone);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let good = listener.local_addr().expect("bound");
    let deadline = || Instant::now() + Duration::from_secs(2);
    for addresses in [vec![good], vec![refusing, good], vec![silent, refusing, good]] {
        let stream = first_open(&addresses, deadline()).await.expect("one of them answers");
        assert_eq!(stream.peer_addr().expect("connected"), good);
    }
    let error = first_open(&[silent, refusing], deadline()).await.expect_err("none answers");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    assert!(first_open(&[], deadline()).await.is_err());
}
