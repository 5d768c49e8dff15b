//! Keys: one field, several, or none.

use super::*;
use tidemill_events::partition::composite_key;

const SCHEMA: &str = r#"{"type":"record","name":"E","fields":[
    {"name":"id","type":"string"},
    {"name":"at","type":{"type":"long","logicalType":"timestamp-micros"}},
    {"name":"shop","type":["null","string"],"default":null},
    {"name":"till","type":["null","long"],"default":null}]}"#;

fn entity(slots: &[usize]) -> HopSpec {
    HopSpec { entity: "e".into(), key: slots.to_vec(), columns: vec![], features: vec![], lateness: 0 }
}

fn key(slots: &[usize], more: &str) -> String {
    let schema = RecordSchema::parse(SCHEMA).unwrap();
    let shape = Shape {
        topic: "t".into(),
        partitions: 4,
        schema,
        avro: SCHEMA.into(),
        schema_id: 1,
        id: 0,
        time: 1,
        entity: (!slots.is_empty()).then(|| entity(slots)),
    };
    let json = format!(r#"{{"id":"e1","at":1532521800000000{more}}}"#);
    let ready = Intake::new(shape).unwrap().prepare(json.as_bytes(), &mut Vec::new()).unwrap();
    assert_eq!(ready.partition, partition_of(ready.key.as_bytes(), 4));
    ready.key.into()
}

#[test]
fn the_first_entity_is_the_key_and_the_event_id_stands_in() {
    assert_eq!(key(&[2], r#","shop":"s1""#), "s1");
    assert_eq!(key(&[3], r#","till":17"#), "17");
    assert_eq!(key(&[2], ""), "e1");
    assert_eq!(key(&[2], r#","shop":"""#), "e1");
    assert_eq!(key(&[2, 3], r#","shop":"s1","till":17"#), composite_key(&["s1", "17"]));
    assert_eq!(key(&[2, 3], r#","shop":"s1""#), "e1");
    assert_eq!(key(&[], r#","shop":"s1""#), "e1");
}
