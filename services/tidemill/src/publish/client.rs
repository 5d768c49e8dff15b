//! What takes the batches: the ingestor's HTTP interface, or Kafka.

use super::answer::Answer;
use super::batch::Batch;
use super::http::Http;
use super::kafka::Kafka;

/// Takes batches.
pub(super) enum Client {
    Http(Http),
    Kafka(Box<Kafka>),
}

impl Client {
    pub(super) async fn post(&self, batch: &Batch) -> Answer {
        match self {
            Client::Http(http) => http.post(batch).await,
            Client::Kafka(kafka) => kafka.append(batch).await,
        }
    }
}
