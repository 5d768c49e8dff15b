//! What expressions give where CEL has no answer of its own: decimals, fields of events, features, null.

use rust_decimal::Decimal;
use tidemill_events::{RecordSchema, Value};
use tidemill_expr::{EvalError, Scope, Ty, compile};

const PAYMENT: &str = r#"{"type":"record","name":"Payment","fields":[
    {"name":"event_time","type":{"type":"long","logicalType":"timestamp-millis"}},
    {"name":"amount","type":{"type":"bytes","logicalType":"decimal","precision":18,"scale":2}},
    {"name":"fee","type":["null",{"type":"bytes","logicalType":"decimal","precision":18,"scale":4}],"default":null},
    {"name":"kind","type":{"type":"enum","name":"Kind","symbols":["CARD","CASH"]}},
    {"name":"count","type":"int"},
    {"name":"rate","type":"float"}]}"#;

fn eval(source: &str, amount: &str, fee: Option<&str>) -> Result<Value, EvalError> {
    let decimal = |text: &str| Value::Decimal(text.parse().unwrap());
    let slots = [
        Value::Timestamp(tidemill_events::time::parse_instant("2018-07-28T05:59:59.5Z").unwrap()),
        decimal(amount),
        fee.map_or(Value::Null, decimal),
        Value::String("CARD".into()),
        Value::Long(3),
        Value::Double(0.5),
    ];
    compile(source, &Scope::from(&RecordSchema::parse(PAYMENT).unwrap())).unwrap_or_else(|e| panic!("{source}: {e:?}")).eval(&slots)
}

fn holds(source: &str, amount: &str) -> bool {
    match eval(source, amount, None) {
        Ok(Value::Bool(v)) => v,
        other => panic!("{source} gave {other:?}"),
    }
}

#[test]
fn decimals_compare_exactly_with_literals() {
    // none of these is exact as a double
    for digits in ["0.1", "0.3", "1.10", "4503599627370497.55", "99999999999999.99"] {
        assert!(holds(&format!("amount == {digits}"), digits), "{digits}");
        assert!(holds(&format!("amount >= {digits} && amount <= {digits}"), digits), "{digits}");
        assert!(holds(&format!("-{digits} < amount"), digits), "{digits}");
        assert!(!holds(&format!("{digits} != amount"), digits), "{digits}");
        assert!(holds(&format!("amount in [1, {digits}]"), digits), "{digits}");
    }
    // one cent apart where doubles see no difference
    assert!(holds("amount < 9007199254740993.01", "9007199254740993.00"));
    assert!(holds("amount > 9007199254740993", "9007199254740993.01"));
    assert!(holds("amount == 5e2", "500.00"));
    assert!(holds("amount < 1e300 && amount > -1e300", "500.00"), "beyond a decimal's range, as doubles");
}

#[test]
fn decimals_are_doubles_in_arithmetic() {
    assert_eq!(eval("amount", "0.10", None), Ok(Value::Decimal(Decimal::new(10, 2))));
    assert_eq!(eval("amount * 3.0", "0.10", None), Ok(Value::Double(0.1 * 3.0)));
    assert_eq!(eval("-amount", "0.10", None), Ok(Value::Double(-0.1)));
    assert_eq!(eval("amount + fee", "0.10", Some("0.2000")), Ok(Value::Double(0.1 + 0.2)));
    assert_eq!(eval("math.greatest(amount, rate)", "0.10", None), Ok(Value::Double(0.5)));
    assert_eq!(eval("count > 2 ? amount : 0.0", "0.10", None), Ok(Value::Double(0.1)));
    assert_eq!(eval("count > 2 ? amount : fee", "0.10", None), Ok(Value::Decimal(Decimal::new(10, 2))));
    // beside a double that is no literal: as doubles
    assert!(holds("amount == 0.1 * 1.0", "0.10"));
    assert!(!holds("amount > rate", "0.50"));
}

#[test]
fn decimals_convert() {
    assert_eq!(eval("int(amount)", "-7.99", None), Ok(Value::Long(-7)));
    assert_eq!(eval("string(amount)", "7.50", None), Ok(Value::String("7.50".into())));
    assert_eq!(eval("double(amount)", "7.50", None), Ok(Value::Double(7.5)));
    assert_eq!(eval("amount < count", "2.99", None), Ok(Value::Bool(true)));
    assert_eq!(eval("amount == count", "3.00", None), Ok(Value::Bool(true)));
}

#[test]
fn null_is_an_error_in_an_operator_and_a_value_elsewhere() {
    assert_eq!(eval("fee", "1.00", None), Ok(Value::Null));
    assert_eq!(eval("fee + 1.0", "1.00", None), Err(EvalError::NullOperand));
    assert_eq!(eval("fee > 1.0", "1.00", None), Err(EvalError::NullOperand));
    assert_eq!(eval("fee == null", "1.00", None), Ok(Value::Bool(true)));
    assert_eq!(eval("fee == 1.0", "1.00", None), Ok(Value::Bool(false)));
    assert_eq!(eval("fee == null || fee > 1.0", "1.00", None), Ok(Value::Bool(true)));
    assert_eq!(eval("fee > 1.0 || fee == null", "1.00", None), Ok(Value::Bool(true)), "true absorbs an error before it");
    assert_eq!(eval("fee > 1.0 && amount > 2.0", "1.00", None), Ok(Value::Bool(false)), "false absorbs an error before it");
    assert_eq!(eval("fee > 1.0 || amount > 2.0", "1.00", None), Err(EvalError::NullOperand));
    assert_eq!(eval("fee == null ? 0.0 : fee / amount", "1.00", None), Ok(Value::Double(0.0)));
    assert_eq!(eval("amount > 0.0 ? fee : null", "1.00", None), Ok(Value::Null));
}

#[test]
fn instants_have_parts_in_utc_and_compare() {
    assert_eq!(eval("event_time.getHours() <= 6", "1", None), Ok(Value::Bool(true)));
    assert_eq!(eval("event_time.getDayOfWeek() in [0, 6]", "1", None), Ok(Value::Bool(true)), "a Saturday");
    assert_eq!(eval("event_time.getMonth()", "1", None), Ok(Value::Long(6)), "CEL counts months from 0");
    assert_eq!(eval("event_time.getMilliseconds()", "1", None), Ok(Value::Long(500)));
    assert_eq!(eval("event_time >= timestamp('2018-07-28T07:59:59.5+02:00')", "1", None), Ok(Value::Bool(true)));
    assert_eq!(eval("int(event_time) - int(timestamp('2018-07-28T00:00:00Z'))", "1", None), Ok(Value::Long(6 * 3600 - 1)));
    assert_eq!(eval("event_time == timestamp(int(event_time))", "1", None), Ok(Value::Bool(false)));
    assert_eq!(eval("timestamp(kind) > event_time", "1", None), Err(EvalError::Conversion));
    assert_eq!(eval("string(event_time)", "1", None), Ok(Value::String("2018-07-28T05:59:59.5Z".into())));
}

#[test]
fn features_may_all_be_null() {
    use tidemill_events::layout::{FeatureColumn, FeatureType};
    let columns =
        [FeatureColumn { name: "amount".into(), ty: FeatureType::Double }, FeatureColumn { name: "kind".into(), ty: FeatureType::String }];
    let scope = Scope::from(&columns[..]);
    let program = compile("amount > 220.0 ? 1.0 : 0.0", &scope).unwrap();
    assert_eq!((program.ty(), program.nullable(), program.slots()), (Ty::Double, false, &[0][..]));
    assert_eq!(program.eval(&[Value::Double(220.5), Value::Null]), Ok(Value::Double(1.0)));
    assert_eq!(program.eval(&[Value::Null, Value::Null]), Err(EvalError::NullOperand));
    let category = compile("kind == null ? 'none' : kind + '!'", &scope).unwrap();
    assert_eq!(category.eval(&[Value::Null, Value::String("é".into())]), Ok(Value::String("é!".into())));
}

#[test]
fn a_slot_of_another_type_is_an_error_not_a_panic() {
    let scope = Scope::from(&RecordSchema::parse(PAYMENT).unwrap());
    let program = compile("amount * 2.0 > 1.0 && event_time.getHours() > 1", &scope).unwrap();
    assert_eq!(program.eval(&[]), Err(EvalError::Slot));
    assert_eq!(program.eval(&[Value::Bool(true), Value::String("x".into())]), Err(EvalError::Slot));
}
