//! Types of CEL's operators.

use super::{Checker, Typed};
use crate::Ty;
use crate::error::{Error, codes};
use crate::tree::{ArithmeticOp, Node, OrderOp};
use cel::common::ast::{Expr, IdedExpr, operators as op};

pub(super) fn order(name: &str) -> Option<OrderOp> {
    match name {
        op::LESS => Some(OrderOp::Less),
        op::LESS_EQUALS => Some(OrderOp::LessOrEqual),
        op::GREATER => Some(OrderOp::Greater),
        op::GREATER_EQUALS => Some(OrderOp::GreaterOrEqual),
        _ => None,
    }
}

pub(super) fn arithmetic(name: &str) -> Option<ArithmeticOp> {
    match name {
        op::ADD => Some(ArithmeticOp::Add),
        op::SUBSTRACT => Some(ArithmeticOp::Subtract),
        op::MULTIPLY => Some(ArithmeticOp::Multiply),
        op::DIVIDE => Some(ArithmeticOp::Divide),
        op::MODULO => Some(ArithmeticOp::Remainder),
        _ => None,
    }
}

/// Types that compare with each other.
#[derive(PartialEq)]
enum Family {
    Null,
    Bool,
    Number,
    String,
    Timestamp,
}

fn family(ty: Ty) -> Family {
    match ty {
        Ty::Null => Family::Null,
        Ty::Bool => Family::Bool,
        Ty::Int | Ty::Double | Ty::Decimal => Family::Number,
        Ty::String => Family::String,
        Ty::Timestamp => Family::Timestamp,
    }
}

impl Checker<'_> {
    pub(super) fn logic(&mut self, a: &IdedExpr, b: &IdedExpr, node: fn(Box<[Node; 2]>) -> Node) -> Option<Typed> {
        let (a, b) = (self.condition(a), self.condition(b));
        Some(Typed::new(node(Box::new([a?, b?])), Ty::Bool, false))
    }

    /// An operand that has to be boolean.
    pub(super) fn condition(&mut self, e: &IdedExpr) -> Option<Node> {
        let typed = self.expr(e)?;
        if typed.ty != Ty::Bool {
            let message = format!("a condition is needed here, and this is a {}", typed.ty);
            return self.fail(Error::new(codes::OPERANDS, self.parsed.range(e), message).help("compare it with something"));
        }
        Some(typed.node)
    }

    pub(super) fn conditional(&mut self, e: &IdedExpr, condition: &IdedExpr, yes: &IdedExpr, no: &IdedExpr) -> Option<Typed> {
        let (condition, yes, no) = (self.condition(condition), self.expr(yes), self.expr(no));
        let (condition, mut yes, mut no) = (condition?, yes?, no?);
        let nullable = yes.nullable || no.nullable;
        if yes.ty != no.ty {
            (yes, no) = match (yes.ty, no.ty) {
                (Ty::Decimal, Ty::Double) | (Ty::Double, Ty::Decimal) => (yes.widened(), no.widened()),
                _ => (yes, no),
            };
        }
        let ty = match (yes.ty, no.ty) {
            (a, b) if a == b => a,
            (Ty::Null, other) | (other, Ty::Null) => other,
            (a, b) => {
                let message = format!("the two results of `?:` differ in type: {a} and {b}");
                let error = Error::new(codes::OPERANDS, self.parsed.range(e), message);
                return self.fail(error.help("give both the same type: `1.0`, or `double(x)`, beside a double"));
            }
        };
        Some(Typed::new(Node::If(Box::new([condition, yes.node, no.node])), ty, nullable))
    }

    pub(super) fn equality(&mut self, e: &IdedExpr, a: &IdedExpr, b: &IdedExpr, node: fn(Box<[Node; 2]>) -> Node) -> Option<Typed> {
        let (left, right) = (self.expr(a), self.expr(b));
        let (left, right) = (left?, right?);
        self.comparable(e, &left, &right)?;
        let (a, b) = (left.ty, right.ty);
        Some(Typed::new(node(Box::new([left.beside(b).node, right.beside(a).node])), Ty::Bool, false))
    }

    /// Refuses a question of equality that has one answer: types of two families, null beside what is never null.
    fn comparable(&mut self, e: &IdedExpr, left: &Typed, right: &Typed) -> Option<()> {
        let (a, b) = (left.ty, right.ty);
        if (a == Ty::Null) != (b == Ty::Null) {
            if !(left.nullable && right.nullable) {
                let what = if a == Ty::Null { b } else { a };
                let error = Error::new(codes::NEVER_NULL, self.parsed.range(e), format!("this {what} is never null"));
                return self.fail(error.help("leave the comparison out, or let the field be null in the schema"));
            }
        } else if family(a) != family(b) {
            let message = format!("{a} and {b} are never equal");
            return self
                .fail(Error::new(codes::OPERANDS, self.parsed.range(e), message).help("convert one with int(), double() or string()"));
        }
        Some(())
    }

    pub(super) fn membership(&mut self, x: &IdedExpr, list: &IdedExpr) -> Option<Typed> {
        let needle = self.expr(x);
        let Expr::List(elements) = &list.expr else {
            return self.not_available(list, "anything but a list after `in`", "write the values in brackets: `x in [0, 6]`");
        };
        let typed: Vec<Option<Typed>> = elements.elements.iter().map(|e| self.expr(e)).collect();
        let (mut needle, typed) = (needle?, typed.into_iter().collect::<Option<Vec<Typed>>>()?);
        let fit: Vec<Option<()>> = elements.elements.iter().zip(&typed).map(|(e, element)| self.comparable(e, &needle, element)).collect();
        fit.into_iter().collect::<Option<()>>()?;
        if typed.iter().any(|element| element.ty == Ty::Decimal) {
            needle = needle.beside(Ty::Decimal);
        }
        let nodes = typed.into_iter().map(|element| element.beside(needle.ty).node).collect();
        Some(Typed::new(Node::In(Box::new(needle.node), nodes), Ty::Bool, false))
    }

    pub(super) fn negate(&mut self, e: &IdedExpr, a: &IdedExpr) -> Option<Typed> {
        let a = self.expr(a)?.widened();
        let node = match a.ty {
            Ty::Int => Node::NegateInt(Box::new(a.node)),
            Ty::Double => Node::NegateDouble(Box::new(a.node)),
            other => {
                let message = format!("`-` needs a number, and this is a {other}");
                return self.fail(Error::new(codes::OPERANDS, self.parsed.range(e), message));
            }
        };
        Some(Typed::new(node, a.ty, false))
    }

    pub(super) fn binary(&mut self, e: &IdedExpr, name: &str, a: &IdedExpr, b: &IdedExpr) -> Option<Typed> {
        let (left, right) = (self.expr(a), self.expr(b));
        let (left, right) = (left?, right?);
        if let Some(op) = order(name) {
            if left.ty == Ty::Null || family(left.ty) != family(right.ty) {
                return self.mismatch(e, name, (a, left.ty), (b, right.ty));
            }
            let (x, y) = (left.ty, right.ty);
            let sides = [left.beside(y).node, right.beside(x).node];
            return Some(Typed::new(Node::Order(op, Box::new(sides)), Ty::Bool, false));
        }
        let op = arithmetic(name)?;
        let written = (left.ty, right.ty);
        let (left, right) = (left.widened(), right.widened());
        let ty = left.ty;
        let node = |sides| match (ty, op) {
            (Ty::Int, _) => Some(Node::Ints(op, sides)),
            (Ty::Double, ArithmeticOp::Remainder) => None,
            (Ty::Double, _) => Some(Node::Doubles(op, sides)),
            (Ty::String, ArithmeticOp::Add) => Some(Node::Concat(sides)),
            _ => None,
        };
        let node = if ty == right.ty { node(Box::new([left.node, right.node])) } else { None };
        match node {
            Some(node) => Some(Typed::new(node, ty, false)),
            None => self.mismatch(e, name, (a, written.0), (b, written.1)),
        }
    }

    fn mismatch(&mut self, e: &IdedExpr, name: &str, (a, left): (&IdedExpr, Ty), (b, right): (&IdedExpr, Ty)) -> Option<Typed> {
        let symbol = name.trim_matches('_');
        let error = Error::new(codes::OPERANDS, self.parsed.range(e), format!("`{symbol}` does not take {left} and {right}"));
        let floating = |ty| matches!(ty, Ty::Double | Ty::Decimal);
        let help = match (left, right) {
            (Ty::Null, _) | (_, Ty::Null) => "null has no value: test it with `==` or `!=`".to_owned(),
            (Ty::Int, other) if floating(other) && symbol != "%" => self.as_double(a),
            (other, Ty::Int) if floating(other) && symbol != "%" => self.as_double(b),
            (x, y) if symbol == "%" && (floating(x) || floating(y)) => "`%` takes integers: use int(x)".to_owned(),
            (Ty::Timestamp, Ty::Timestamp) => "seconds between two instants: `int(a) - int(b)`".to_owned(),
            _ => "convert one side with int(), double(), string() or timestamp()".to_owned(),
        };
        self.fail(error.help(help))
    }

    /// How to make an integer operand a double.
    fn as_double(&self, e: &IdedExpr) -> String {
        let text = &self.parsed.source[self.parsed.range(e)];
        match &e.expr {
            Expr::Literal(_) => format!("write `{text}.0`: decimals and doubles count with doubles"),
            _ => format!("write `double({text})`"),
        }
    }
}
