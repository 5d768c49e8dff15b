//! An HTTP/1.1 server that slow and idle clients cannot hold.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

/// Connections at a time; more wait in the listener's queue.
const MAX_CONNECTIONS: usize = 1024;
/// What a connection may buffer, bytes; longer headers are refused.
const BUFFER: usize = 64 << 10;
/// Pause after the system refused a connection (out of file descriptors, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long, and how much, a client may still send after its last answer.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: u64 = 16 << 20;
const TIMEOUT_ANSWER: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// Serves `router` until `stop`, then answers what has begun and returns. `header_time` is what a client
/// has to send a request's head, and how long a connection may lie idle.
pub async fn serve(listener: TcpListener, router: Router, header_time: Duration, stop: CancellationToken) {
    let connections = TaskTracker::new();
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let accepted = async {
            // the semaphore is never closed
            let slot = Arc::clone(&slots).acquire_owned().await.ok();
            (listener.accept().await, slot)
        };
        tokio::select! {
            () = stop.cancelled() => break,
            (accepted, slot) = accepted => match accepted {
                Ok((stream, _)) => {
                    let connection = connection(stream, router.clone(), header_time, stop.clone());
                    connections.spawn(async move {
                        connection.await;
                        drop(slot);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn connection(stream: TcpStream, router: Router, header_time: Duration, stop: CancellationToken) {
    // answers are small and written whole: waiting to fill a packet only delays them
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: Request<Incoming>| Box::pin(router.clone().oneshot(request.map(Body::new))));
    let mut http = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_time)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), service);
    let mut stopping = false;
    let ended = loop {
        tokio::select! {
            ended = &mut http => break ended,
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                std::pin::Pin::new(&mut http).graceful_shutdown();
            }
        }
    };
    let parts = http.into_parts();
    let mut stream = parts.io.into_inner();
    match ended {
        Ok(()) => linger(stream).await,
        // part of a head arrived: the client is slow, not idle
        Err(error) if error.is_timeout() && !parts.read_buf.is_empty() => {
            let _ = stream.write_all(TIMEOUT_ANSWER).await;
            let _ = stream.shutdown().await;
            linger(stream).await;
        }
        Err(error) => tracing::debug!(%error, "connection ended"),
    }
}

/// Lets a client read an answer that came before it had sent everything: closing at once would reset the
/// connection, and the answer be lost with it.
async fn linger(stream: TcpStream) {
    let mut rest = stream.take(LINGER_BYTES);
    let _ = tokio::time::timeout(LINGER, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
}

#[cfg(test)]
mod tests;
