//! A checked expression, and its evaluation. Types were settled by the checker, so that all that can go
//! wrong here is null, overflow, division by zero and conversions.

use crate::EvalError;
use crate::functions::Function;
use crate::operand::{Operand, View};
use regex::Regex;
use std::borrow::Cow;
use std::cmp::Ordering;
use tidemill_events::Value;

#[derive(Debug)]
pub(crate) enum Node {
    Const(Value),
    Slot(usize),
    Not(Box<Node>),
    And(Box<[Node; 2]>),
    Or(Box<[Node; 2]>),
    /// Condition, then, else.
    If(Box<[Node; 3]>),
    Equal(Box<[Node; 2]>),
    NotEqual(Box<[Node; 2]>),
    Order(OrderOp, Box<[Node; 2]>),
    /// `x in [a, b]`: all elements are evaluated, as CEL builds the list first.
    In(Box<Node>, Box<[Node]>),
    Doubles(ArithmeticOp, Box<[Node; 2]>),
    Ints(ArithmeticOp, Box<[Node; 2]>),
    /// Two texts in a row.
    Concat(Box<[Node; 2]>),
    NegateDouble(Box<Node>),
    NegateInt(Box<Node>),
    /// A decimal made a double, before arithmetic.
    Widen(Box<Node>),
    Matches(Box<Node>, Regex),
    Call(Function, Box<[Node]>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OrderOp {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ArithmeticOp {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Node {
    pub(crate) fn eval<'a>(&'a self, slots: &'a [Value]) -> Result<Operand<'a>, EvalError> {
        match self {
            Node::Const(value) => Ok(value.into()),
            Node::Slot(slot) => slots.get(*slot).map(Operand::from).ok_or(EvalError::Slot),
            Node::If(branches) => {
                let [condition, yes, no] = &**branches;
                if condition.test(slots)? { yes.eval(slots) } else { no.eval(slots) }
            }
            Node::Ints(op, sides) => both(sides, slots, |a, b| op.ints(a.int()?, b.int()?)).map(Operand::Int),
            Node::NegateInt(x) => x.eval(slots)?.view().int()?.checked_neg().map(Operand::Int).ok_or(EvalError::Overflow),
            Node::Concat(sides) => {
                let (a, b) = (sides[0].eval(slots)?, sides[1].eval(slots)?);
                Ok(Operand::Text(Cow::Owned([a.text()?, b.text()?].concat())))
            }
            Node::Widen(x) => match x.eval(slots)? {
                Operand::Null => Ok(Operand::Null),
                other => other.double().map(Operand::Double),
            },
            Node::Call(function, arguments) => function.call(arguments.iter().map(|argument| argument.eval(slots))),
            Node::Doubles(..) | Node::NegateDouble(_) => self.double(slots).map(Operand::Double),
            Node::Not(_)
            | Node::And(_)
            | Node::Or(_)
            | Node::Equal(_)
            | Node::NotEqual(_)
            | Node::Order(..)
            | Node::In(..)
            | Node::Matches(..) => self.test(slots).map(Operand::Bool),
        }
    }

    /// Evaluates a condition.
    pub(crate) fn test(&self, slots: &[Value]) -> Result<bool, EvalError> {
        match self {
            Node::And(sides) => either_side(sides, slots, false),
            Node::Or(sides) => either_side(sides, slots, true),
            Node::Order(op, sides) => order(sides, slots).map(|order| op.holds(order)),
            Node::Const(Value::Bool(v)) => Ok(*v),
            _ => self.test_other(slots),
        }
    }

    /// The rest of [`Node::test`], apart from it so that the common conditions run in a small frame.
    #[inline(never)]
    fn test_other(&self, slots: &[Value]) -> Result<bool, EvalError> {
        match self {
            Node::Not(x) => x.test(slots).map(|v| !v),
            Node::Equal(sides) => both(sides, slots, |a, b| Ok(a.equals(b))),
            Node::NotEqual(sides) => both(sides, slots, |a, b| Ok(!a.equals(b))),
            Node::In(x, elements) => {
                let x = x.eval(slots)?;
                let is_x = |element: &Node| match element.leaf(slots) {
                    Some(leaf) => Ok(x.view().equals(leaf.into())),
                    None => Ok(x.view().equals(element.eval(slots)?.view())),
                };
                elements.iter().try_fold(false, |found, element| Ok(is_x(element)? || found))
            }
            Node::Matches(x, pattern) => Ok(pattern.is_match(x.eval(slots)?.text()?)),
            _ => self.eval(slots)?.view().bool(),
        }
    }

    /// Evaluates an operand of double arithmetic, without the detour over [`Operand`].
    fn double(&self, slots: &[Value]) -> Result<f64, EvalError> {
        match self {
            Node::Doubles(op, sides) => op.doubles(sides[0].double(slots)?, sides[1].double(slots)?),
            Node::NegateDouble(x) => x.double(slots).map(|v| -v),
            Node::Widen(x) => x.double(slots),
            _ => match self.leaf(slots) {
                Some(leaf) => View::from(leaf).double(),
                None => self.eval(slots)?.double(),
            },
        }
    }

    /// What a variable or constant holds, where it is.
    #[inline]
    fn leaf<'a>(&'a self, slots: &'a [Value]) -> Option<&'a Value> {
        match self {
            Node::Slot(slot) => slots.get(*slot),
            Node::Const(value) => Some(value),
            _ => None,
        }
    }
}

/// Which side is larger.
#[inline]
fn order(sides: &[Node; 2], slots: &[Value]) -> Result<Ordering, EvalError> {
    match (sides[0].leaf(slots), sides[1].leaf(slots)) {
        (Some(Value::Decimal(a)), Some(Value::Decimal(b))) => Ok(a.cmp(b)),
        (Some(Value::Double(a)), Some(Value::Double(b))) => a.partial_cmp(b).ok_or(EvalError::NotANumber),
        _ => order_of_any(sides, slots),
    }
}

#[inline(never)]
fn order_of_any(sides: &[Node; 2], slots: &[Value]) -> Result<Ordering, EvalError> {
    both(sides, slots, |a, b| a.order(b))
}

/// Evaluates both sides and looks at them.
#[inline]
fn both<T>(sides: &[Node; 2], slots: &[Value], f: impl FnOnce(View<'_>, View<'_>) -> Result<T, EvalError>) -> Result<T, EvalError> {
    match (sides[0].leaf(slots), sides[1].leaf(slots)) {
        (Some(a), Some(b)) => f(a.into(), b.into()),
        (None, Some(b)) => f(sides[0].eval(slots)?.view(), b.into()),
        (Some(a), None) => f(a.into(), sides[1].eval(slots)?.view()),
        (None, None) => f(sides[0].eval(slots)?.view(), sides[1].eval(slots)?.view()),
    }
}

/// `&&` (`decides` is false) and `||` (true): a side that decides absorbs an error of the other.
fn either_side(sides: &[Node; 2], slots: &[Value], decides: bool) -> Result<bool, EvalError> {
    match sides[0].test(slots) {
        Ok(v) if v == decides => Ok(decides),
        Ok(_) => sides[1].test(slots),
        Err(error) => match sides[1].test(slots) {
            Ok(v) if v == decides => Ok(decides),
            _ => Err(error),
        },
    }
}

impl OrderOp {
    fn holds(self, order: Ordering) -> bool {
        match self {
            OrderOp::Less => order.is_lt(),
            OrderOp::LessOrEqual => order.is_le(),
            OrderOp::Greater => order.is_gt(),
            OrderOp::GreaterOrEqual => order.is_ge(),
        }
    }
}

impl ArithmeticOp {
    fn doubles(self, a: f64, b: f64) -> Result<f64, EvalError> {
        match self {
            ArithmeticOp::Add => Ok(a + b),
            ArithmeticOp::Subtract => Ok(a - b),
            ArithmeticOp::Multiply => Ok(a * b),
            ArithmeticOp::Divide => Ok(a / b),
            ArithmeticOp::Remainder => Ok(a % b),
        }
    }

    fn ints(self, a: i64, b: i64) -> Result<i64, EvalError> {
        if b == 0 && matches!(self, ArithmeticOp::Divide | ArithmeticOp::Remainder) {
            return Err(EvalError::DivisionByZero);
        }
        match self {
            ArithmeticOp::Add => a.checked_add(b),
            ArithmeticOp::Subtract => a.checked_sub(b),
            ArithmeticOp::Multiply => a.checked_mul(b),
            ArithmeticOp::Divide => a.checked_div(b),
            ArithmeticOp::Remainder => a.checked_rem(b),
        }
        .ok_or(EvalError::Overflow)
    }
}
