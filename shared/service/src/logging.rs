//! Log lines to standard error, for people or for a collector.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One line of text.
    Text,
    /// One JSON object per line.
    Json,
}

/// Sends what passes `filter` (a level, or levels per module) to standard error from now on.
///
/// # Errors
/// When something else already receives the log.
pub fn init(filter: &str, format: Format) -> anyhow::Result<()> {
    let ansi = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(ansi);
    let log = tracing_subscriber::registry().with(EnvFilter::try_new(filter)?);
    match format {
        Format::Text => log.with(lines).try_init()?,
        Format::Json => log.with(lines.json().flatten_event(true)).try_init()?,
    }
    Ok(())
}

/// Makes a panic in any thread end the process after it was logged: what a half-dead process would do next
/// nobody knows, and everything can be rebuilt from Kafka.
pub fn abort_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        let backtrace = std::backtrace::Backtrace::capture();
        tracing::error!(thread = thread.name().unwrap_or("unnamed"), %backtrace, "{panic}; the process ends");
        std::process::abort();
    }));
}
