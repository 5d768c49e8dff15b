//! REST predictions of one row, over connections that each ask one after the other.

use crate::table::{count, table};
use anyhow::{Context, Result, anyhow, ensure};
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};
use tidemill_integration_tests::machine::Ticks;
use tidemill_integration_tests::report::percentile;
use tidemill_integration_tests::services::{Service, Slot};
use tidemill_integration_tests::{Pipeline, Stack};
use tidemill_kafka::reader::{Isolation, Scan};

/// Different requests: their entities were all seen on the stream.
const REQUESTS: usize = 5_000;

/// Asks over `connections` for `time` at `rate` requests a second, then for as long as fast as answers come.
pub(crate) fn run(stack: &Stack, pipeline: &Pipeline, connections: usize, rate: u64, time: Duration) -> Result<String> {
    let address = stack.services.url(Slot(Service::Predictor, 1))?.replace("http://", "");
    let requests = requests(stack, pipeline)?;
    let every = Duration::from_secs_f64(connections as f64 / rate as f64);
    let steady = load(&address, &requests, connections, Some(every), time)?;
    let saturated = load(&address, &requests, connections, None, time)?;
    let row = |load: &Load, how: String, limits: [&str; 2]| {
        let what = format!("REST predict, one row, {connections} connections, {how}: p50 / p99 / p99.9 ({})", load.machine);
        let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|share| percentile(&load.latencies, share).as_secs_f64() * 1000.0);
        vec![what, format!("{p50:.2} / **{p99:.2}** / {p999:.2} ms"), limits[0].into(), limits[1].into()]
    };
    let rows = [
        row(&steady, format!("{} requests/s, from when each was due", count(rate)), ["3 ms", "0.5 ms"]),
        row(&saturated, format!("each asks again at once ({} requests/s)", count(saturated.rate as u64)), ["–", "–"]),
    ];
    Ok(table(&["what", "measured", "at least", "aim"], &rows))
}

/// What was measured of some requests.
struct Load {
    /// Sorted.
    latencies: Vec<Duration>,
    /// Answers a second.
    rate: f64,
    machine: Ticks,
}

/// Asks for `time`, each connection `every` so often, or again at once.
fn load(address: &str, requests: &[Vec<u8>], connections: usize, every: Option<Duration>, time: Duration) -> Result<Load> {
    let (before, begin) = (Ticks::until_now()?, Instant::now());
    let mut latencies = thread::scope(|scope| {
        let ask = |n: usize| {
            let requests = requests.iter().cycle().skip(n * requests.len() / connections);
            // the connections take turns
            let first = begin + every.unwrap_or_default() * n as u32 / connections as u32;
            scope.spawn(move || ask(address, requests, first, every, begin + time))
        };
        let asking: Vec<_> = (0..connections).map(ask).collect();
        let each = asking.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("a connection panicked"))?);
        Ok::<_, anyhow::Error>(each.collect::<Result<Vec<_>>>()?.concat())
    })?;
    let machine = Ticks::until_now()?.since(before);
    let rate = latencies.len() as f64 / begin.elapsed().as_secs_f64();
    latencies.sort_unstable();
    Ok(Load { latencies, rate, machine })
}

/// Requests about the events that were published first, a month later.
fn requests(stack: &Stack, pipeline: &Pipeline) -> Result<Vec<Vec<u8>>> {
    let reader = stack.reader();
    let mut scan = Scan::all(&stack.environment.kafka, &pipeline.topic("predictions"), Isolation::ReadCommitted)?;
    let mut requests = Vec::new();
    while let Some(record) = scan.next()? {
        let prediction = reader.decode(record.payload())?;
        let entities = &prediction["entities"];
        let time = prediction["event_time"].as_i64().context("no event time")? / 1000 + 30 * 86_400_000;
        let body = json!({
            "transaction_id": "bench", "event_time": time, "customer_id": entities["customer"], "terminal_id": entities["terminal"], "amount": "42.50"
        });
        let body = body.to_string();
        let head = format!("POST /v1/pipelines/{}/predict HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n", pipeline.name);
        requests.push(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).into_bytes());
        if requests.len() == REQUESTS {
            break;
        }
    }
    ensure!(!requests.is_empty(), "nothing was predicted yet");
    Ok(requests)
}

/// Time of each answer: since its request was due, so that a slow answer counts for those that waited behind it.
fn ask<'a>(
    address: &str,
    requests: impl Iterator<Item = &'a Vec<u8>>,
    first: Instant,
    every: Option<Duration>,
    until: Instant,
) -> Result<Vec<Duration>> {
    let mut connection = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
    connection.set_nodelay(true)?;
    connection.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut buffer = vec![0; 64 << 10];
    let mut latencies = Vec::new();
    let mut due = first;
    for request in requests {
        match every {
            Some(_) => thread::sleep(due.saturating_duration_since(Instant::now())),
            None => due = Instant::now(),
        }
        if due >= until {
            break;
        }
        connection.write_all(request)?;
        read_answer(&mut connection, &mut buffer)?;
        latencies.push(due.elapsed());
        due += every.unwrap_or_default();
    }
    Ok(latencies)
}

/// Reads one answer to its end; anything but 200 is a failure.
fn read_answer(connection: &mut TcpStream, buffer: &mut [u8]) -> Result<()> {
    let mut filled = 0;
    loop {
        let read = connection.read(&mut buffer[filled..])?;
        ensure!(read > 0, "the predictor closed the connection: {}", String::from_utf8_lossy(&buffer[..filled]));
        filled += read;
        let Some(head) = buffer[..filled].windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        let text = std::str::from_utf8(&buffer[..head])?;
        ensure!(text.starts_with("HTTP/1.1 200"), "{}", String::from_utf8_lossy(&buffer[..filled]));
        let length = text.lines().find_map(|l| l.strip_prefix("content-length: ")).context("the answer has no length")?;
        if filled >= head + 4 + length.parse::<usize>()? {
            return Ok(());
        }
    }
}
