//! `make bench`: the platform's figures on this machine, as a Markdown report on standard output.
//!
//! Real services in release builds, real Kafka, registry and Redis, all on this machine; no step is left out, and
//! every event is counted at the end.

mod handbook;
mod latency;
mod machine;
mod predict;
mod spent;
mod table;
mod throughput;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use std::time::Duration;
use throughput::Load;
use tidemill_integration_tests::Stack;

/// Measures throughput and latency of the whole line
#[derive(Debug, Parser)]
#[command(name = "bench", version)]
struct Args {
    /// Measure only this
    #[arg(long, value_enum)]
    only: Option<Part>,
    /// Runs at full speed; the median is reported
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=99))]
    runs: u32,
    /// Publish only the first N payments at full speed
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Seconds at a steady rate
    #[arg(long, default_value_t = 60, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(10..))]
    steady: u64,
    /// Events, then REST predictions, a second at the steady rate
    #[arg(long, default_value_t = 2_000, value_name = "N")]
    rate: u64,
    /// Seconds of REST predictions at the steady rate, and again as many at full speed
    #[arg(long, default_value_t = 20, value_name = "SECONDS")]
    predict: u64,
    /// Connections that ask for REST predictions
    #[arg(long, default_value_t = 8, value_name = "N")]
    connections: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// All payments as fast as they are taken
    Throughput,
    /// The same with their labels; only when asked for: see docs/decisions/label-join.md
    Labels,
    /// Latency on the stream at a steady rate, then over REST
    Latency,
    /// The Handbook's split on streamed features; only when asked for: it takes ten minutes
    Handbook,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let wanted = |part| args.only.is_none_or(|only| only == part);
    let mut stack = Stack::new("bench")?;
    println!("{}", machine::describe()?);
    if wanted(Part::Throughput) {
        at_full_speed(&mut stack, Load::Events, &args)?;
    }
    if args.only == Some(Part::Labels) {
        at_full_speed(&mut stack, Load::Labelled, &args)?;
    }
    if args.only == Some(Part::Handbook) {
        println!("{}", handbook::run(&mut stack, args.rate)?);
    }
    if wanted(Part::Latency) {
        let measured = latency::run(&mut stack, args.rate, args.steady, |stack, pipeline| {
            predict::run(stack, pipeline, args.connections, args.rate, Duration::from_secs(args.predict))
        });
        println!("{}", measured?);
    }
    Ok(())
}

fn at_full_speed(stack: &mut Stack, load: Load, args: &Args) -> Result<()> {
    let runs = (1..=args.runs).map(|n| throughput::run(stack, load, n, args.limit)).collect::<Result<Vec<_>>>()?;
    println!("{}", throughput::report(load, runs));
    Ok(())
}
