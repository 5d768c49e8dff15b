//! An upstream with a topic of its own: its schema and its records, none of them made by Tidemill's code.

use crate::topics::Reader;
use anyhow::{Context, Result};
use apache_avro::Schema;
use apache_avro::types::Value as Avro;
use apache_avro::writer::datum::GenericDatumWriter;
use serde_json::{Value as Json, json};

/// The time of the first payment: 2024-05-01T00:00:00Z, milliseconds.
const START: i64 = 1_714_521_600_000;

/// Payments as a shop writes them, with much that a pipeline does not want.
pub struct Shop {
    schema: Schema,
    id: u32,
}

impl Shop {
    /// Registers its schema under the topic's subject.
    ///
    /// # Errors
    /// When the registry refuses.
    pub fn register(reader: &Reader, topic: &str) -> Result<Self> {
        let line = json!({"type": "record", "name": "Line", "fields": [{"name": "sku", "type": "string"}, {"name": "n", "type": "int"}]});
        let decimal = json!({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2});
        let schema = json!({"type": "record", "name": "Sale", "namespace": "shop", "fields": [
            {"name": "shop", "type": "string"},
            {"name": "lines", "type": {"type": "array", "items": line}},
            {"name": "amount", "type": decimal},
            {"name": "customer_id", "type": "string"},
            {"name": "notes", "type": {"type": "map", "values": ["null", "string"]}},
            {"name": "terminal_id", "type": "string"},
            {"name": "event_time", "type": {"type": "long", "logicalType": "timestamp-micros"}},
            {"name": "transaction_id", "type": "string"}]});
        Ok(Self { id: reader.register(topic, &schema)?, schema: Schema::parse_str(&schema.to_string())? })
    }

    /// The `n`-th payment, in Confluent's framing.
    ///
    /// # Errors
    /// When it does not fit the schema.
    pub fn avro(&self, n: usize) -> Result<Vec<u8>> {
        let text = Avro::String;
        let line = Avro::Record(vec![("sku".into(), text(format!("s{n}"))), ("n".into(), Avro::Int(2))]);
        let sale = Avro::Record(vec![
            ("shop".into(), text("north".into())),
            ("lines".into(), Avro::Array(vec![line; n % 3])),
            ("amount".into(), Avro::Decimal(vec![0x04, 0xe2].into())),
            ("customer_id".into(), text(customer(n))),
            ("notes".into(), Avro::Map([("x".to_owned(), Avro::Union(0, Box::new(Avro::Null)))].into())),
            ("terminal_id".into(), text(format!("t{}", n % 7))),
            ("event_time".into(), Avro::TimestampMicros(time(n) * 1_000)),
            ("transaction_id".into(), text(id(n))),
        ]);
        let datum = GenericDatumWriter::builder(&self.schema).build()?.write_value_to_vec(sale)?;
        Ok([&[0], self.id.to_be_bytes().as_slice(), &datum].concat())
    }
}

/// The `n`-th payment in JSON.
#[must_use]
pub fn json_payment(n: usize) -> Json {
    json!({
        "transaction_id": id(n), "event_time": time(n), "customer_id": customer(n), "terminal_id": format!("t{}", n % 7), "amount": "12.50",
    })
}

/// The id of the `n`-th payment.
#[must_use]
pub fn id(n: usize) -> String {
    format!("payment-{n}")
}

/// Its customer.
#[must_use]
pub fn customer(n: usize) -> String {
    format!("c{}", n % 11)
}

fn time(n: usize) -> i64 {
    START + 10 * i64::try_from(n).unwrap_or_default()
}

/// The id in an event of a pipeline's topic.
///
/// # Errors
/// When there is none.
pub fn id_of(value: &Json, field: &str) -> Result<String> {
    Ok(value[field].as_str().with_context(|| format!("no {field} in {value}"))?.to_owned())
}
