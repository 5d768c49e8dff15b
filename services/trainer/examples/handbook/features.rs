//! The vectors of a payment file, without a stream.

use anyhow::{Context as _, anyhow, bail};
use compact_str::CompactString;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row as ParquetRow};
use rust_decimal::Decimal;
use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use tidemill_events::control::Span;
use tidemill_events::time::format_date;
use tidemill_events::{Event, Outcome, Source, Stage, Type, Value, Vector};
use tidemill_features::{Hop, HopState, feature};
use tidemill_pipeline::Pipeline;
use tidemill_trainer::dataset::Dataset;
use tidemill_training_set::write;

pub(crate) fn run(payments: &Path, pipeline: &Path, directory: &Path) -> anyhow::Result<()> {
    let (pipeline, _) = tidemill_pipeline::load(pipeline).map_err(|report| anyhow!("{}", report.render(false)))?;
    let horizon = pipeline.learning.labels.as_ref().context("the pipeline has no `labels`")?.horizon;
    let mut line = Line::new(&pipeline, horizon)?;
    let mut set = Dataset::new(&pipeline.layout, Span { from: i64::MIN, to: i64::MAX }, None);
    let file = SerializedFileReader::new(fs::File::open(payments)?)?;
    for (offset, row) in (0..).zip(file.get_row_iter(None)?) {
        let (event, label) = line.read(&row?, offset)?;
        set.outcome(&event.event_id, event.event_time, label, event.event_time + horizon);
        set.vector(&line.vector(event, label));
    }
    let rows = set.finish();
    for (_, range) in rows.days(0..rows.len()) {
        let day = format_date(rows.event_time[range.start]);
        let folder = directory.join(format!("date={day}"));
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("part-0.parquet"), write(&rows, range)?)?;
    }
    println!("{} rows in {}", rows.len(), directory.display());
    Ok(())
}

/// All hops of a pipeline, one after the other.
struct Line<'a> {
    pipeline: &'a Pipeline,
    horizon: i64,
    hops: Vec<HopState>,
    /// Labels that become known later.
    labels: VecDeque<Outcome>,
}

impl<'a> Line<'a> {
    fn new(pipeline: &'a Pipeline, horizon: i64) -> anyhow::Result<Self> {
        let hop = |(position, spec): (usize, &tidemill_features::HopSpec)| Hop::new(spec.clone(), position, &pipeline.layout.event);
        let hops = pipeline.hops.iter().enumerate().map(hop).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { pipeline, horizon, hops: hops.into_iter().map(|hop| HopState::new(Arc::new(hop))).collect(), labels: VecDeque::new() })
    }

    /// The event of a row, and its label. Rows are in order of event time.
    fn read(&self, row: &ParquetRow, offset: i64) -> anyhow::Result<(Event, f64)> {
        let columns: BTreeMap<&str, &Field> = row.get_column_iter().map(|(name, field)| (name.as_str(), field)).collect();
        let of = |name: &str| columns.get(name).copied().with_context(|| format!("there is no column `{name}`"));
        let fields = self.pipeline.layout.event.fields.iter().map(|f| value(of(&f.name)?, &f.ty)).collect::<anyhow::Result<Vec<_>>>()?;
        let source = &self.pipeline.source;
        let Value::Timestamp(event_time) = fields[source.time] else { bail!("the event's time is no time") };
        let label = match of("fraud")? {
            Field::Bool(fraud) => f64::from(u8::from(*fraud)),
            other => number(other)? as f64,
        };
        let event = Event {
            event_id: fields[source.id].to_key().unwrap_or_default(),
            event_time,
            source: Source { topic: CompactString::default(), partition: 0, offset },
            ingested_at: event_time,
            from: Stage::default(),
            merge_time: event_time,
            entities: self.pipeline.hops.iter().map(|hop| hop.key_of(&fields)).collect(),
            fields,
            features: Vec::new(),
        };
        Ok((event, label))
    }

    fn vector(&mut self, event: Event, label: f64) -> Vector {
        while let Some(outcome) = self.labels.pop_front_if(|outcome| outcome.label_time <= event.event_time) {
            for hop in &mut self.hops {
                hop.process_outcome(&outcome);
                hop.commit();
            }
        }
        let label_time = event.event_time + self.horizon;
        self.labels.push_back(Outcome {
            event_id: event.event_id.clone(),
            event_time: event.event_time,
            source: event.source.clone(),
            from: Stage::default(),
            merge_time: label_time,
            entities: event.entities.clone(),
            fields: event.fields.clone(),
            label,
            label_time,
        });
        let mut features = Vec::with_capacity(self.pipeline.layout.features.len());
        for hop in &mut self.hops {
            hop.process(&event, &mut features);
            hop.commit();
        }
        let mut nulls = 0;
        features.extend(self.pipeline.row.iter().map(|row| feature(row.program.eval(&event.fields), &mut nulls)));
        Vector {
            event_id: event.event_id,
            event_time: event.event_time,
            source: event.source,
            ingested_at: event.ingested_at,
            from: event.from,
            merge_time: event.merge_time,
            entities: event.entities,
            features,
            pipeline_version: 1,
        }
    }
}

fn value(field: &Field, ty: &Type) -> anyhow::Result<Value> {
    Ok(match (ty, field) {
        (Type::String, Field::Str(text)) => Value::String(text.as_str().into()),
        (Type::String, other) => Value::String(number(other)?.to_string().into()),
        (Type::TimestampMillis | Type::TimestampMicros, Field::TimestampMillis(t)) => Value::Timestamp(t * 1_000),
        (Type::TimestampMillis | Type::TimestampMicros, Field::TimestampMicros(t)) => Value::Timestamp(*t),
        (Type::Decimal { .. }, Field::Decimal(d)) => {
            let unscaled = d
                .data()
                .iter()
                .fold(if d.data().first().is_some_and(|b| *b >= 0x80) { -1i128 } else { 0 }, |n, b| (n << 8) | i128::from(*b));
            Value::Decimal(Decimal::from_i128_with_scale(unscaled, d.scale().unsigned_abs()))
        }
        (Type::Decimal { .. }, Field::Double(d)) => Value::Decimal(d.to_string().parse()?),
        (ty, field) => bail!("{field} is not a {ty}"),
    })
}

fn number(field: &Field) -> anyhow::Result<i64> {
    Ok(match field {
        Field::Byte(n) => i64::from(*n),
        Field::Short(n) => i64::from(*n),
        Field::Int(n) => i64::from(*n),
        Field::Long(n) => *n,
        Field::UByte(n) => i64::from(*n),
        other => bail!("{other} is no whole number"),
    })
}
