//! Generated well-typed expressions give what cel's own interpreter gives: the same value, or an error in both.
//!
//! Decimals have no oracle (CEL has none) and are in `semantics.rs`; so are timestamps, whose accessors are
//! compared with jiff beside their code.

use cel::{Context, Env, extensions};
use proptest::prelude::*;
use std::sync::Arc;
use tidemill_events::Value;
use tidemill_expr::{EvalError, Scope, Ty, Variable, compile};

/// The variables of every case; the nullable ones begin with `n`.
const VARIABLES: [(&str, Ty); 11] = [
    ("b", Ty::Bool),
    ("i", Ty::Int),
    ("j", Ty::Int),
    ("x", Ty::Double),
    ("y", Ty::Double),
    ("s", Ty::String),
    ("t", Ty::String),
    ("nb", Ty::Bool),
    ("ni", Ty::Int),
    ("nx", Ty::Double),
    ("ns", Ty::String),
];

fn scope() -> Scope {
    let variable = |(name, ty): (&str, Ty)| Variable { name: name.into(), ty, nullable: name.starts_with('n') };
    Scope { variables: VARIABLES.into_iter().map(variable).collect() }
}

fn value(ty: Ty, nullable: bool) -> BoxedStrategy<Value> {
    let value = match ty {
        Ty::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Ty::Int => prop_oneof![-3i64..4, Just(i64::MAX), Just(i64::MIN), any::<i64>()].prop_map(Value::Long).boxed(),
        Ty::Double => {
            prop_oneof![-3.0f64..4.0, Just(0.0), Just(-0.0), Just(1.0), Just(f64::NAN), Just(f64::INFINITY), Just(1e300), any::<f64>()]
                .prop_map(Value::Double)
                .boxed()
        }
        _ => prop::sample::select(vec!["", "a", "ab", "b", "é", "12", "-1", "1.5", "NaN", "1e3", "true"])
            .prop_map(|s| Value::String(s.into()))
            .boxed(),
    };
    if nullable { prop_oneof![3 => value, 1 => Just(Value::Null)].boxed() } else { value }
}

fn values() -> impl Strategy<Value = Vec<Value>> {
    VARIABLES.iter().map(|(name, ty)| value(*ty, name.starts_with('n'))).collect::<Vec<_>>()
}

fn text(choices: &[&str]) -> BoxedStrategy<String> {
    prop::sample::select(choices.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()).boxed()
}

fn joined(parts: (String, &'static str, String)) -> String {
    let (a, op, b) = parts;
    format!("({a} {op} {b})")
}

fn pair(a: BoxedStrategy<String>, ops: &'static [&'static str], b: BoxedStrategy<String>) -> BoxedStrategy<String> {
    (a, prop::sample::select(ops), b).prop_map(joined).boxed()
}

fn call(function: &'static str, a: BoxedStrategy<String>) -> BoxedStrategy<String> {
    a.prop_map(move |a| format!("{function}({a})")).boxed()
}

fn condition(result: BoxedStrategy<String>, depth: u32) -> BoxedStrategy<String> {
    (bool_expr(depth), result.clone(), result).prop_map(|(c, a, b)| format!("({c} ? {a} : {b})")).boxed()
}

fn bool_expr(depth: u32) -> BoxedStrategy<String> {
    let leaf = text(&["b", "nb", "true", "false", "(ni == null)", "(nx != null)", "(null == ns)", "(nb != null)"]);
    let Some(d) = depth.checked_sub(1) else { return leaf };
    let (int, double, string) = (int_expr(d), double_expr(d), string_expr(d));
    let list = prop::collection::vec(int.clone(), 0..4).prop_map(|items| items.join(", "));
    prop_oneof![
        1 => leaf,
        4 => pair(bool_expr(d), &["&&", "||", "==", "!=", "<"], bool_expr(d)),
        1 => bool_expr(d).prop_map(|a| format!("!({a})")),
        3 => pair(int.clone(), &["<", "<=", ">", ">=", "==", "!="], int.clone()),
        3 => pair(double.clone(), &["<", "<=", ">", ">=", "==", "!="], double.clone()),
        2 => pair(int.clone(), &["<", "<=", ">", ">=", "==", "!="], double),
        2 => pair(string.clone(), &["<", "<=", ">", ">=", "==", "!="], string.clone()),
        2 => (int, list).prop_map(|(a, list)| format!("({a} in [{list}])")),
        1 => (string.clone(), string.clone()).prop_map(|(a, b)| format!("({a} in ['a', {b}])")),
        2 => (string.clone(), prop::sample::select(vec!["contains", "startsWith", "endsWith"]), string.clone())
            .prop_map(|(a, f, b)| format!("{a}.{f}({b})")),
        1 => string.prop_map(|a| format!("{a}.matches('^[a-c]*.$')")),
        1 => condition(bool_expr(d), d),
    ]
    .boxed()
}

fn int_expr(depth: u32) -> BoxedStrategy<String> {
    let leaf = text(&["i", "j", "ni", "0", "1", "-7", "3", "9223372036854775807"]);
    let Some(d) = depth.checked_sub(1) else { return leaf };
    prop_oneof![
        1 => leaf,
        4 => pair(int_expr(d), &["+", "-", "*", "/", "%"], int_expr(d)),
        1 => int_expr(d).prop_map(|a| format!("-({a})")),
        1 => call("size", string_expr(d)),
        1 => prop_oneof![int_expr(d), double_expr(d), string_expr(d)].prop_map(|a| format!("int({a})")),
        1 => call("math.abs", int_expr(d)),
        1 => (int_expr(d), int_expr(d), int_expr(d)).prop_map(|(a, b, c)| format!("math.greatest({a}, {b}, {c})")),
        1 => condition(int_expr(d), d),
    ]
    .boxed()
}

fn double_expr(depth: u32) -> BoxedStrategy<String> {
    let leaf = text(&["x", "y", "nx", "0.0", "1.0", "-2.5", "1e300"]);
    let Some(d) = depth.checked_sub(1) else { return leaf };
    prop_oneof![
        1 => leaf,
        4 => pair(double_expr(d), &["+", "-", "*", "/"], double_expr(d)),
        1 => double_expr(d).prop_map(|a| format!("-({a})")),
        1 => prop_oneof![int_expr(d), double_expr(d), string_expr(d)].prop_map(|a| format!("double({a})")),
        2 => (prop::sample::select(vec!["abs", "ceil", "floor", "round", "sqrt"]), double_expr(d)).prop_map(|(f, a)| format!("math.{f}({a})")),
        1 => (double_expr(d), double_expr(d)).prop_map(|(a, b)| format!("math.least({a}, {b})")),
        1 => condition(double_expr(d), d),
    ]
    .boxed()
}

fn string_expr(depth: u32) -> BoxedStrategy<String> {
    let leaf = text(&["s", "t", "ns", "''", "'a'", "'1.5'", "\"é\""]);
    let Some(d) = depth.checked_sub(1) else { return leaf };
    prop_oneof![
        2 => leaf,
        2 => pair(string_expr(d), &["+"], string_expr(d)),
        1 => prop_oneof![int_expr(d), double_expr(d), bool_expr(d), string_expr(d)].prop_map(|a| format!("string({a})")),
        1 => condition(string_expr(d), d),
    ]
    .boxed()
}

fn environment() -> Arc<Env> {
    let mut env = Env::stdlib();
    env.add_extension(extensions::math).unwrap();
    Arc::new(env)
}

fn interpret(env: &Arc<Env>, source: &str, values: &[Value]) -> Option<Value> {
    let mut context = Context::with_env(Arc::clone(env));
    for ((name, _), value) in VARIABLES.iter().zip(values) {
        let value: cel::Value = match value {
            Value::Bool(v) => (*v).into(),
            Value::Long(v) => (*v).into(),
            Value::Double(v) => (*v).into(),
            Value::String(v) => v.as_str().into(),
            _ => cel::Value::Null,
        };
        context.add_variable_from_value(*name, value);
    }
    Some(match env.compile(source).unwrap().execute(&context).ok()? {
        cel::Value::Bool(v) => Value::Bool(v),
        cel::Value::Int(v) => Value::Long(v),
        cel::Value::Float(v) => Value::Double(v),
        cel::Value::String(v) => Value::String(v.as_str().into()),
        cel::Value::Null => Value::Null,
        other => panic!("{source} gave {other:?}"),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_the_interpreter(
        source in prop_oneof![3 => bool_expr(4), 1 => int_expr(3), 1 => double_expr(3), 1 => string_expr(3)],
        values in values(),
    ) {
        prop_assume!(source.len() < 2_000);
        let program = match compile(&source, &scope()) {
            Ok(program) => program,
            Err(errors) if errors.iter().all(|e| e.code == tidemill_expr::codes::TOO_LARGE) => return Err(TestCaseError::reject("too large")),
            Err(errors) => panic!("{source}: {errors:?}"),
        };
        let ours = program.eval(&values);
        prop_assert_ne!(&ours, &Err(EvalError::Slot), "{}", source);
        let theirs = interpret(&environment(), &source, &values);
        let same = match (&ours, &theirs) {
            (Ok(Value::Double(a)), Some(Value::Double(b))) => a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
            (Ok(a), Some(b)) => a == b,
            (Err(_), None) => true,
            _ => false,
        };
        prop_assert!(same, "{}\n  ours {:?}\n  cel's {:?}", source, ours, theirs);
        if let Ok(value) = ours {
            prop_assert!(program.nullable() || !value.is_null(), "{} is not nullable", source);
        }
    }
}
