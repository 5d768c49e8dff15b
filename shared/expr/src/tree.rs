//! A checked expression, and its evaluation. Types were settled by the checker, so that all that can go
//! wrong here is null, overflow, division by zero and conversions.

use crate::EvalError;
use crate::functions::Function;
use crate::operand::Operand;
use regex::Regex;
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
    Arithmetic(ArithmeticOp, Box<[Node; 2]>),
    Negate(Box<Node>),
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
            Node::Arithmetic(op, operands) => op.apply(&operands[0].eval(slots)?, &operands[1].eval(slots)?),
            Node::Negate(x) => match x.eval(slots)? {
                Operand::Int(v) => v.checked_neg().map(Operand::Int).ok_or(EvalError::Overflow),
                Operand::Double(v) => Ok(Operand::Double(-v)),
                other => Err(other.unfit()),
            },
            Node::Widen(x) => match x.eval(slots)? {
                Operand::Null => Ok(Operand::Null),
                other => other.double().map(Operand::Double),
            },
            Node::Call(function, arguments) => function.call(arguments, slots),
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
            Node::Not(x) => x.test(slots).map(|v| !v),
            Node::And(sides) => either_side(sides, slots, false),
            Node::Or(sides) => either_side(sides, slots, true),
            Node::Equal(sides) => Ok(sides[0].eval(slots)?.equals(&sides[1].eval(slots)?)),
            Node::NotEqual(sides) => Ok(!sides[0].eval(slots)?.equals(&sides[1].eval(slots)?)),
            Node::Order(op, sides) => Ok(op.holds(sides[0].eval(slots)?.order(&sides[1].eval(slots)?)?)),
            Node::In(x, elements) => {
                let x = x.eval(slots)?;
                elements.iter().try_fold(false, |found, element| Ok(element.eval(slots)?.equals(&x) || found))
            }
            Node::Matches(x, pattern) => Ok(pattern.is_match(x.eval(slots)?.text()?)),
            _ => self.eval(slots)?.bool(),
        }
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
    fn apply<'a>(self, a: &Operand<'_>, b: &Operand<'_>) -> Result<Operand<'a>, EvalError> {
        match (a, b) {
            (Operand::Double(a), Operand::Double(b)) => self.doubles(*a, *b).map(Operand::Double),
            (Operand::Int(a), Operand::Int(b)) => self.ints(*a, *b).map(Operand::Int),
            (Operand::Text(a), Operand::Text(b)) if self == ArithmeticOp::Add => {
                Ok(Operand::Text(std::borrow::Cow::Owned([a.as_ref(), b.as_ref()].concat())))
            }
            _ => Err(if matches!(a, Operand::Null) { a.unfit() } else { b.unfit() }),
        }
    }

    fn doubles(self, a: f64, b: f64) -> Result<f64, EvalError> {
        match self {
            ArithmeticOp::Add => Ok(a + b),
            ArithmeticOp::Subtract => Ok(a - b),
            ArithmeticOp::Multiply => Ok(a * b),
            ArithmeticOp::Divide => Ok(a / b),
            ArithmeticOp::Remainder => Err(EvalError::Slot),
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
