//! The type checker: CEL's syntax tree in, a typed tree over slots out, or every fault at once.

mod calls;
mod operators;
mod variables;

use crate::error::{Error, codes};
use crate::parse::Parsed;
use crate::tree::Node;
use crate::{Scope, Ty};
use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue};
use rust_decimal::Decimal;
use std::collections::BTreeSet;
use tidemill_events::Value;

/// A checked part of an expression.
pub(crate) struct Typed {
    pub(crate) node: Node,
    pub(crate) ty: Ty,
    pub(crate) nullable: bool,
    /// A numeric literal, exactly as written; `None` too where a decimal cannot hold it.
    exact: Option<Decimal>,
}

impl Typed {
    fn new(node: Node, ty: Ty, nullable: bool) -> Self {
        Self { node, ty, nullable, exact: None }
    }

    /// Decimals become doubles, the rest stays.
    fn widened(self) -> Self {
        if self.ty != Ty::Decimal {
            return self;
        }
        Self::new(Node::Widen(Box::new(self.node)), Ty::Double, self.nullable)
    }

    /// A numeric literal beside a decimal becomes one.
    fn beside(self, other: Ty) -> Self {
        match self.exact {
            Some(exact) if other == Ty::Decimal => Self { node: Node::Const(Value::Decimal(exact)), ty: Ty::Decimal, ..self },
            _ => self,
        }
    }
}

/// What checking an expression finds out.
pub(crate) struct Checked {
    pub(crate) typed: Typed,
    /// Slots it reads, ascending.
    pub(crate) slots: Vec<usize>,
}

pub(crate) fn check(parsed: &Parsed<'_>, scope: &Scope) -> Result<Checked, Vec<Error>> {
    let mut checker = Checker { parsed, scope, errors: Vec::new(), slots: BTreeSet::new() };
    let typed = checker.expr(&parsed.root);
    match typed {
        Some(typed) if checker.errors.is_empty() => Ok(Checked { typed, slots: checker.slots.into_iter().collect() }),
        _ => Err(checker.errors),
    }
}

struct Checker<'a> {
    parsed: &'a Parsed<'a>,
    scope: &'a Scope,
    errors: Vec<Error>,
    slots: BTreeSet<usize>,
}

impl Checker<'_> {
    /// Checks a node; `None` if it, or a part of it, is at fault (and the fault noted).
    fn expr(&mut self, e: &IdedExpr) -> Option<Typed> {
        match &e.expr {
            Expr::Literal(literal) => self.literal(e, literal),
            Expr::Ident(name) => self.variable(e, name),
            Expr::Call(call) => self.call(e, call),
            Expr::List(_) => self.not_available(e, "a list", "lists stand on the right of `in` only: `x in [1, 2]`"),
            Expr::Select(select) => self.field(e, select),
            Expr::Map(_) | Expr::Struct(_) => self.not_available(e, "a map or message", "compare fields one by one"),
            Expr::Comprehension(_) => self.not_available(e, "a macro over lists", "write the condition with `&&`, `||` and `in`"),
            Expr::Unspecified => self.fail(Error::new(codes::SYNTAX, self.parsed.range(e), "something is missing here")),
        }
    }

    fn fail<T>(&mut self, error: Error) -> Option<T> {
        self.errors.push(error);
        None
    }

    fn not_available<T>(&mut self, e: &IdedExpr, what: &str, help: &str) -> Option<T> {
        let message = format!("{what} cannot be used here");
        self.fail(Error::new(codes::NOT_AVAILABLE, self.parsed.range(e), message).help(help))
    }

    fn literal(&mut self, e: &IdedExpr, literal: &LiteralValue) -> Option<Typed> {
        let (value, ty) = match literal {
            LiteralValue::Null => (Value::Null, Ty::Null),
            LiteralValue::Boolean(v) => (Value::Bool(*v.inner()), Ty::Bool),
            LiteralValue::Int(v) => (Value::Long(*v.inner()), Ty::Int),
            LiteralValue::Double(v) => (Value::Double(*v.inner()), Ty::Double),
            LiteralValue::String(v) => (Value::String(v.inner().into()), Ty::String),
            LiteralValue::UInt(_) => return self.not_available(e, "an unsigned integer", "leave out the `u`"),
            LiteralValue::Bytes(_) => return self.not_available(e, "a bytes literal", "write a string without the `b`"),
        };
        let exact = match &value {
            Value::Long(v) => Some(Decimal::from(*v)),
            Value::Double(v) => exact_decimal(self.parsed.text(e), v.is_sign_negative()),
            _ => None,
        };
        Some(Typed { exact, ..Typed::new(Node::Const(value), ty, ty == Ty::Null) })
    }

    fn call(&mut self, e: &IdedExpr, call: &CallExpr) -> Option<Typed> {
        use cel::common::ast::operators as op;
        match (call.func_name.as_str(), call.args.as_slice()) {
            (op::LOGICAL_AND, [a, b]) => self.logic(a, b, Node::And),
            (op::LOGICAL_OR, [a, b]) => self.logic(a, b, Node::Or),
            (op::LOGICAL_NOT, [a]) => {
                let a = self.condition(a)?;
                Some(Typed::new(Node::Not(Box::new(a)), Ty::Bool, false))
            }
            (op::CONDITIONAL, [condition, yes, no]) => self.conditional(e, condition, yes, no),
            (op::EQUALS, [a, b]) => self.equality(e, a, b, Node::Equal),
            (op::NOT_EQUALS, [a, b]) => self.equality(e, a, b, Node::NotEqual),
            (op::IN, [x, list]) => self.membership(x, list),
            (op::NEGATE, [a]) => self.negate(e, a),
            (op::INDEX | op::OPT_INDEX, _) => self.not_available(e, "an index", "events are flat: use the field's own name"),
            (name, [a, b]) if operators::order(name).is_some() || operators::arithmetic(name).is_some() => self.binary(e, name, a, b),
            _ => self.function(e, call),
        }
    }
}

fn exact_decimal(text: &str, negative: bool) -> Option<Decimal> {
    let digits = if text.contains(['e', 'E']) { Decimal::from_scientific(text) } else { Decimal::from_str_exact(text) };
    digits.ok().map(|d| if negative { -d } else { d })
}
