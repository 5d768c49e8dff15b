//! The ingestor's configuration.

use std::time::Duration;
use tidemill_service::config::{Common, Write, values};

/// Takes events and labels over HTTP and appends them to Kafka; answers 2xx only once Kafka has acknowledged.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "tidemill-ingestor", version)]
pub struct Config {
    /// What every service needs to know.
    #[command(flatten)]
    pub common: Common,

    /// Who may write.
    #[command(flatten)]
    pub write: Write,

    /// Longest request body, as sent and unpacked; longer ones get 413
    #[arg(long, env = "TIDEMILL_MAX_BODY_BYTES", value_name = "BYTES", default_value = "1048576", value_parser = within::<1_024, 8_388_608>)]
    pub max_body_bytes: usize,

    /// Time for a request body to arrive; slower ones get 408
    #[arg(long, env = "TIDEMILL_BODY_TIMEOUT", value_name = "TIME", default_value = "10s", value_parser = values::duration)]
    pub body_timeout: Duration,

    /// Request bodies that may be under way at the same time, in bytes, and as many again as records on
    /// their way to Kafka; what is over gets 429
    #[arg(long, env = "TIDEMILL_IN_FLIGHT_BYTES", value_name = "BYTES", default_value = "33554432", value_parser = within::<1_048_576, 1_073_741_824>)]
    pub in_flight_bytes: usize,

    /// How long to wait for Kafka's acknowledgement before the answer is 503
    #[arg(long, env = "TIDEMILL_ACK_TIMEOUT", value_name = "TIME", default_value = "20s", value_parser = values::duration)]
    pub ack_timeout: Duration,

    /// Event ids remembered per pipeline to recognise an event that is sent again, 16 bytes each
    #[arg(long, env = "TIDEMILL_SEEN_EVENTS", value_name = "N", default_value = "1048576", value_parser = within::<0, 67_108_864>)]
    pub seen_events: usize,

    /// Share of events to follow by spans, 0 to 1, among those whose sender does not say in a `traceparent`
    #[arg(long, env = "TIDEMILL_TRACE_RATIO", value_name = "RATIO", default_value = "0.001", value_parser = ratio)]
    pub trace_ratio: f64,
}

impl AsRef<Common> for Config {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}

fn within<const LEAST: usize, const MOST: usize>(text: &str) -> Result<usize, String> {
    let number: usize = text.parse().map_err(|_| format!("`{text}` is not a whole number"))?;
    if (LEAST..=MOST).contains(&number) { Ok(number) } else { Err(format!("{number} is not between {LEAST} and {MOST}")) }
}

fn ratio(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(ratio),
        _ => Err(format!("`{text}` is not a number from 0 to 1")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use tidemill_service::config::load;

    #[test]
    fn defaults_are_whole_and_values_are_bounded() {
        Config::command().debug_assert();
        let parse = |more: &[&str]| {
            let args = ["x", "--kafka", "a:1", "--registry", "http://r:2", "--token", "0123456789abcdef"];
            load::<Config>("127.0.0.1:7101", args.iter().chain(more).map(std::ffi::OsString::from)).map_err(|e| e.to_string())
        };
        let config = parse(&[]).unwrap();
        assert_eq!((config.max_body_bytes, config.ack_timeout.as_secs()), (1 << 20, 20));
        assert!(parse(&["--max-body-bytes", "9000000"]).unwrap_err().contains("not between 1024 and 8388608"));
        assert!(parse(&["--trace-ratio", "1.5"]).unwrap_err().contains("not a number from 0 to 1"));
        assert!(parse(&["--trace-ratio", "NaN"]).is_err());
        assert!(parse(&["--body-timeout", "soon"]).unwrap_err().contains("not a duration"));
    }
}
