//! Faults found when an expression is read: the code, the marked text, and the fix.

use proptest::prelude::*;
use tidemill_expr::{Error, Scope, Ty, Variable, codes, compile};

fn scope() -> Scope {
    let variable = |name: &str, ty, nullable| Variable { name: name.into(), ty, nullable };
    Scope {
        variables: vec![
            variable("event_time", Ty::Timestamp, false),
            variable("amount", Ty::Decimal, false),
            variable("ratio", Ty::Double, false),
            variable("count", Ty::Int, false),
            variable("kind", Ty::String, true),
        ],
    }
}

fn faults(source: &str) -> Vec<Error> {
    match compile(source, &scope()) {
        Ok(program) => panic!("{source} compiled to a {}", program.ty()),
        Err(errors) => errors,
    }
}

/// The one fault of `source`: its code, the text it marks, and words of its message and help.
fn fault(source: &str, code: &str, marked: &str, words: &str) {
    let found = faults(source);
    let [error] = &found[..] else { panic!("{source}: {found:?}") };
    assert_eq!(error.code, code, "{source}: {error:?}");
    assert_eq!(&source[error.range.clone()], marked, "{source}: {error:?}");
    let text = format!("{} | {}", error.message, error.help.as_deref().unwrap_or(""));
    assert!(text.contains(words), "{source}: {text}");
}

#[test]
fn names_what_is_unknown_and_what_is_near() {
    fault("amout > 1.0", codes::UNKNOWN_VARIABLE, "amout", "did you mean `amount`?");
    fault("1.0 < zebra", codes::UNKNOWN_VARIABLE, "zebra", "known here: `event_time`, `amount`");
    fault("event_time.getHour() > 1", codes::UNKNOWN_FUNCTION, "event_time.getHour()", "did you mean `getHours`?");
    fault("abs( amount ) > 1.0", codes::UNKNOWN_FUNCTION, "abs( amount )", "did you mean `math.abs`?");
}

#[test]
fn fields_of_owners_are_variables_with_a_dot() {
    let double = |name: &str| Variable { name: name.into(), ty: Ty::Double, nullable: false };
    let scope = Scope { variables: ["limit", "new.auc", "new.rows", "old.auc"].map(double).to_vec() };
    let program = compile("new.auc >= old.auc - limit", &scope).unwrap();
    assert_eq!(program.slots(), [0, 1, 3]);
    let values = [0.01, 0.72, 5.0, 0.725].map(tidemill_events::Value::Double);
    assert_eq!(program.eval(&values), Ok(tidemill_events::Value::Bool(true)));
    let fault = |source: &str, code: &str, marked: &str, words: &str| {
        let found = compile(source, &scope).unwrap_err();
        let [error] = &found[..] else { panic!("{source}: {found:?}") };
        assert_eq!((error.code, &source[error.range.clone()]), (code, marked), "{source}");
        let text = format!("{} | {}", error.message, error.help.as_deref().unwrap_or(""));
        assert!(text.contains(words), "{source}: {text}");
    };
    fault("new.acu > 0.5", codes::UNKNOWN_VARIABLE, "new.acu", "`new` has no `acu` | did you mean `auc`?");
    fault("limit > new.zebra", codes::UNKNOWN_VARIABLE, "new.zebra", "known here: `auc`, `rows`");
    fault("enw.auc > 0.5", codes::UNKNOWN_VARIABLE, "enw", "did you mean `new`?");
    fault("zebra.auc > 0.5", codes::UNKNOWN_VARIABLE, "zebra", "known here: `new`, `old`");
    fault("new > 0.5", codes::UNKNOWN_VARIABLE, "new", "such as `new.auc`");
    fault("limit.auc > 0.5", codes::UNKNOWN_VARIABLE, "limit", "`limit` is not known here");
    fault("new.auc.x > 0.5", codes::NOT_AVAILABLE, "new.auc.x", "a field of a value");
    assert_eq!(compile("has(new.auc)", &scope).unwrap_err()[0].code, codes::NOT_AVAILABLE);
    fault("new.auc == null", codes::NEVER_NULL, "new.auc == null", "never null");
}

#[test]
fn integers_and_doubles_do_not_mix_in_arithmetic() {
    fault("ratio / 2", codes::OPERANDS, "ratio / 2", "write `2.0`");
    fault("amount / 2 > 1.0", codes::OPERANDS, "amount / 2", "write `2.0`");
    fault("-2 * ratio", codes::OPERANDS, "-2 * ratio", "write `-2.0`");
    fault("ratio * (count + 1)", codes::OPERANDS, "ratio * (count + 1", "write `double(count + 1)`");
    fault("ratio % 2.0 == 0.0", codes::OPERANDS, "ratio % 2.0", "int(x)");
    fault("event_time - event_time", codes::OPERANDS, "event_time - event_time", "int(a) - int(b)");
    fault("kind - 'a'", codes::OPERANDS, "kind - 'a'", "string and string");
    fault("amount > 'é' && true", codes::OPERANDS, "amount > 'é'", "decimal and string");
    fault("math.greatest(ratio, 1)", codes::ARGUMENTS, "1", "of the same type");
}

#[test]
fn questions_with_one_answer_are_faults() {
    fault("amount == null", codes::NEVER_NULL, "amount == null", "is never null");
    fault("null != ratio * 2.0", codes::NEVER_NULL, "null != ratio * 2.0", "is never null");
    fault("count in [1, null]", codes::NEVER_NULL, "null", "is never null");
    fault("count == 'a'", codes::OPERANDS, "count == 'a'", "never equal");
    fault("kind in ['a', 1]", codes::OPERANDS, "1", "never equal");
    fault("null < kind", codes::OPERANDS, "null < kind", "test it with `==`");
    assert!(compile("kind == null", &scope()).is_ok());
}

#[test]
fn conditions_are_boolean() {
    fault("amount && true", codes::OPERANDS, "amount", "a condition is needed");
    fault("!count", codes::OPERANDS, "count", "a condition is needed");
    fault("ratio ? 1 : 2", codes::OPERANDS, "ratio", "a condition is needed");
    fault("true ? 1 : 2.0", codes::OPERANDS, "true ? 1 : 2.0", "differ in type: int and double");
    let double = compile("ratio", &scope()).unwrap();
    let error = double.expect(&[Ty::Bool]).unwrap_err();
    assert_eq!((error.code, error.range), (codes::RESULT, 0..5));
    assert!(compile("ratio > 0.5", &scope()).unwrap().expect(&[Ty::Bool]).is_ok());
}

#[test]
fn functions_say_what_they_take() {
    fault("size(count) > 1", codes::ARGUMENTS, "count", "`size(string)`");
    fault("event_time.getHours('CET') > 1", codes::ARGUMENTS, "event_time.getHours('CET')", "`(timestamp).getHours()`");
    fault("contains(kind, 'x')", codes::ARGUMENTS, "contains(kind, 'x')", "`(string).contains(string)`");
    fault("kind.matches('[')", codes::CONSTANT, "'['", "unclosed character class");
    fault("kind.matches('(a{1000}){1000}')", codes::CONSTANT, "'(a{1000}){1000}'", "too large");
    fault("kind.matches(kind)", codes::ARGUMENTS, "kind", "not a constant");
    fault("event_time < timestamp('yesterday')", codes::CONSTANT, "timestamp('yesterday')", "RFC 3339");
}

#[test]
fn syntax_errors_are_in_plain_words() {
    fault("amount = 1.0", codes::SYNTAX, "=", "equality is written `==`");
    fault("amount > 1.0 and count > 1", codes::SYNTAX, "and", "write `&&`");
    fault("amount > ", codes::SYNTAX, "", "ends too early");
    fault("", codes::SYNTAX, "", "ends too early");
    fault("kind == 'abc", codes::SYNTAX, "'abc", "not closed");
    fault("amount >> 2", codes::SYNTAX, ">", "`>` is not expected here");
    fault("count == 99999999999999999999", codes::SYNTAX, "99999999999999999999", "invalid int literal");
    fault("ratio >\n  $5", codes::SYNTAX, "$", "`$` is not expected here");
}

#[test]
fn parts_of_cel_that_are_not_here_say_so() {
    fault("[1, 2].exists(x, x > 1)", codes::NOT_AVAILABLE, "[1, 2].exists(x, x > 1)", "macro");
    fault("count == 1u", codes::NOT_AVAILABLE, "1u", "leave out the `u`");
    fault("amount.value > 1.0", codes::NOT_AVAILABLE, "amount.value", "events are flat");
    fault("[1][0] == 1", codes::NOT_AVAILABLE, "[1][0]", "index");
    fault("kind == {'a': 1}", codes::NOT_AVAILABLE, "{", "map");
}

#[test]
fn every_fault_is_reported() {
    let codes: Vec<&str> = faults("amout > 1.0 && ratio / 2 > 1.0 && size(count) == nul").iter().map(|e| e.code).collect();
    assert_eq!(codes, [codes::UNKNOWN_VARIABLE, codes::OPERANDS, codes::ARGUMENTS, codes::UNKNOWN_VARIABLE]);
}

#[test]
fn limits_hold_for_every_shape() {
    let code = |source: String| faults(&source)[0].code;
    assert_eq!(code("1".repeat(5_000)), codes::TOO_LARGE);
    assert_eq!(code(format!("0{}", "+1".repeat(300))), codes::TOO_LARGE, "nodes");
    assert_eq!(code(format!("{}1{}", "(".repeat(100), ")".repeat(100))), codes::TOO_LARGE, "depth");
    for unit in ["(", "[", "{1:", "-", "!", "f(", "a?", "a?b:", ".b", ".b()", "[1]", "+1", "&&1", "?:", "'", ")"] {
        faults(&format!("a{}", unit.repeat(4_000 / unit.len())));
        faults(&unit.repeat(4_096 / unit.len()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_it_panic_and_every_fault_has_a_place(source in "[a-z0-9 .,'\"()<>=!&|?:+*/%\\[\\]{}\\n\\\\é$-]{0,60}") {
        if let Err(errors) = compile(&source, &scope()) {
            prop_assert!(!errors.is_empty());
            for error in errors {
                prop_assert!(source.get(error.range.clone()).is_some(), "{:?}", error);
            }
        }
    }
}
