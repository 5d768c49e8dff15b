//! The server over real sockets.

use super::*;
use axum::routing::get;
use tokio::sync::Notify;

const HEADER_TIME: Duration = Duration::from_millis(200);

struct Running {
    address: std::net::SocketAddr,
    stop: CancellationToken,
    server: tokio::task::JoinHandle<()>,
}

async fn start(router: Router) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let server = tokio::spawn(serve(listener, router, HEADER_TIME, stop.clone()));
    Running { address, stop, server }
}

/// Everything the server says until it closes.
async fn answer(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn a_slow_head_gets_408_and_an_idle_connection_is_closed() {
    let running = start(Router::new().route("/", get(async || "hi"))).await;
    let mut slow = TcpStream::connect(running.address).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nx-slow: ").await.unwrap();
    assert!(answer(slow).await.starts_with("HTTP/1.1 408 "));
    let idle = TcpStream::connect(running.address).await.unwrap();
    assert_eq!(answer(idle).await, "");
    let mut good = TcpStream::connect(running.address).await.unwrap();
    good.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let text = answer(good).await;
    assert!(text.starts_with("HTTP/1.1 200 ") && text.ends_with("hi"), "{text}");
}

#[tokio::test]
async fn a_stop_lets_what_has_begun_finish() {
    let (begun, finish) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (b, f) = (Arc::clone(&begun), Arc::clone(&finish));
    let slow = get(async move || {
        b.notify_one();
        f.notified().await;
        "done"
    });
    let running = start(Router::new().route("/", slow)).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    begun.notified().await;
    running.stop.cancel();
    assert!(!running.server.is_finished());
    finish.notify_one();
    let text = answer(stream).await;
    assert!(text.ends_with("done"), "{text}");
    running.server.await.unwrap();
    assert!(TcpStream::connect(running.address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_body_arrives() {
    let early = get(async || super::super::Problem::new(axum::http::StatusCode::PAYLOAD_TOO_LARGE, "too_large", "").closing());
    let running = start(Router::new().route("/", early)).await;
    let stream = TcpStream::connect(running.address).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let head = format!("GET / HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", 8 << 20);
    writing.write_all(head.as_bytes()).await.unwrap();
    writing.write_all(&vec![0; 8 << 20]).await.unwrap();
    let mut text = String::new();
    reading.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 413 "), "{text}");
}

#[tokio::test]
async fn a_head_without_end_is_refused() {
    let running = start(Router::new()).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let head = format!("GET / HTTP/1.1\r\nx: {}", "y".repeat(2 * BUFFER));
    let (mut reading, mut writing) = stream.split();
    let mut text = String::new();
    // the server may close before all is written
    let (_, read) = tokio::join!(writing.write_all(head.as_bytes()), reading.read_to_string(&mut text));
    assert!(read.is_err() || text.starts_with("HTTP/1.1 431 "), "{text}");
}
