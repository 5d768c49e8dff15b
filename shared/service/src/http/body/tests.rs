//! Bodies that are too long, too slow, or bombs.

use super::*;
use axum::body::{Bytes, HttpBody};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::convert::Infallible;
use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll};

const LIMITS: Limits = Limits { size: 1 << 20, time: Duration::from_secs(10) };

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn encoded(encoding: &str) -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_str(encoding).unwrap())])
}

async fn read_all(headers: HeaderMap, body: impl Into<Body>) -> Result<Vec<u8>, (u16, &'static str)> {
    let budget = Budget::new(4 << 20);
    let result = read(&headers, body.into(), LIMITS, &budget).await;
    let result = result.map(|(bytes, _)| bytes).map_err(|p| (p.status().as_u16(), p.code()));
    assert_eq!(budget.used(), 0, "every lease is given back");
    result
}

#[tokio::test]
async fn plain_and_packed_bodies_arrive() {
    assert_eq!(read_all(HeaderMap::new(), "abc").await.unwrap(), b"abc");
    assert_eq!(read_all(encoded("GZIP"), gzip(b"abc")).await.unwrap(), b"abc");
    let two = [gzip(b"abc"), gzip(b"def")].concat();
    assert_eq!(read_all(encoded("gzip"), two).await.unwrap(), b"abcdef");
    let full = vec![b'x'; LIMITS.size];
    assert_eq!(read_all(encoded("gzip"), gzip(&full)).await.unwrap(), full);
}

#[tokio::test]
async fn long_bodies_are_refused_also_unpacked() {
    let long = vec![0u8; LIMITS.size + 1];
    assert_eq!(read_all(HeaderMap::new(), long.clone()).await, Err((413, "too_large")));
    assert_eq!(read_all(encoded("gzip"), gzip(&long)).await, Err((413, "too_large")));
    let bomb = gzip(&vec![0u8; 512 << 20]);
    assert!(bomb.len() < 4 << 20);
    let packed: Vec<u8> = bomb[..LIMITS.size.min(bomb.len())].to_vec();
    assert_eq!(read_all(encoded("gzip"), packed).await, Err((413, "too_large")));
    let announced = HeaderMap::from_iter([(CONTENT_LENGTH, HeaderValue::from(LIMITS.size + 1))]);
    assert_eq!(read_all(announced, "").await, Err((413, "too_large")));
}

#[tokio::test]
async fn what_is_not_gzip_is_refused() {
    assert_eq!(read_all(encoded("gzip"), "abc").await, Err((400, "broken_gzip")));
    let whole = gzip(&[7; 1000]);
    assert_eq!(read_all(encoded("gzip"), whole[..whole.len() - 4].to_vec()).await, Err((400, "broken_gzip")));
    assert_eq!(read_all(encoded("br"), "abc").await, Err((415, "unsupported_encoding")));
}

/// A body of which nothing arrives.
struct Stalled;

impl HttpBody for Stalled {
    type Data = Bytes;
    type Error = Infallible;
    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

#[tokio::test]
async fn a_body_that_stalls_is_refused_in_time() {
    let limits = Limits { time: Duration::from_millis(50), ..LIMITS };
    let refused = read(&HeaderMap::new(), Body::new(Stalled), limits, &Budget::new(1 << 20)).await.unwrap_err();
    assert_eq!((refused.status().as_u16(), refused.code()), (408, "too_slow"));
}

#[tokio::test]
async fn requests_share_the_budget() {
    let budget = Budget::new(1500);
    let (_, first) = read(&HeaderMap::new(), Body::from(vec![0; 1000]), LIMITS, &budget).await.unwrap();
    let refused = read(&HeaderMap::new(), Body::from(vec![0; 1000]), LIMITS, &budget).await.unwrap_err();
    assert_eq!((refused.status().as_u16(), refused.code()), (429, "busy"));
    drop(first);
    read(&HeaderMap::new(), Body::from(vec![0; 1000]), LIMITS, &budget).await.unwrap();
}
