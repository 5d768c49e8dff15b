//! Types of function calls.

use super::{Checker, Typed};
use crate::Ty;
use crate::error::{Error, codes};
use crate::functions::{Function, SIGNATURES, Signature, Style};
use crate::suggest::did_you_mean;
use crate::tree::Node;
use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue};
use regex::RegexBuilder;
use tidemill_events::Value;
use tidemill_events::time::parse_instant;

/// Memory a compiled pattern may take, in bytes.
const MAX_PATTERN: usize = 1 << 20;

impl Checker<'_> {
    pub(super) fn function(&mut self, e: &IdedExpr, call: &CallExpr) -> Option<Typed> {
        let (name, receiver) = match call.target.as_deref() {
            Some(IdedExpr { expr: Expr::Ident(namespace), .. }) if namespace == "math" => (format!("math.{}", call.func_name), None),
            target => (call.func_name.clone(), target),
        };
        let arguments: Vec<&IdedExpr> = receiver.into_iter().chain(&call.args).collect();
        if name == "matches" {
            return self.matches(e, &arguments);
        }
        let Some(signature) = SIGNATURES.iter().find(|s| s.name == name) else {
            return self.unknown(e, &name);
        };
        let called = if receiver.is_some() { Style::Member } else { Style::Global };
        let counted = arguments.len() == signature.parameters.len() || (signature.variadic && arguments.len() > signature.parameters.len());
        if !(signature.style == called || signature.style == Style::Either) || !counted {
            let error = Error::new(codes::ARGUMENTS, self.parsed.range(e), format!("`{name}` is not called this way"));
            return self.fail(error.help(format!("write {}", usage(signature))));
        }
        self.apply(e, signature, &arguments)
    }

    fn apply(&mut self, e: &IdedExpr, signature: &'static Signature, arguments: &[&IdedExpr]) -> Option<Typed> {
        let typed: Vec<Option<Typed>> = arguments.iter().map(|a| self.expr(a)).collect();
        let typed = typed.into_iter().collect::<Option<Vec<Typed>>>()?;
        let mut nodes = Vec::with_capacity(typed.len());
        let mut common: Option<Ty> = None;
        for (i, (typed, argument)) in typed.into_iter().zip(arguments).enumerate() {
            let takes = signature.parameters[i.min(signature.parameters.len() - 1)];
            let typed = if takes.contains(&Ty::Decimal) || !takes.contains(&Ty::Double) { typed } else { typed.widened() };
            let differs = signature.variadic && common.is_some_and(|ty| ty != typed.ty);
            if !takes.contains(&typed.ty) || differs {
                let message = format!("`{}` does not take a {} here", signature.name, typed.ty);
                return self
                    .fail(Error::new(codes::ARGUMENTS, self.parsed.range(argument), message).help(format!("write {}", usage(signature))));
            }
            common = Some(typed.ty);
            nodes.push(typed.node);
        }
        if let (Function::ToTimestamp, [Node::Const(Value::String(text))]) = (signature.function, nodes.as_slice()) {
            return match parse_instant(text) {
                Ok(t) => Some(Typed::new(Node::Const(Value::Timestamp(t)), Ty::Timestamp, false)),
                Err(message) => self.fail(Error::new(codes::CONSTANT, self.parsed.range(e), message)),
            };
        }
        let ty = signature.gives.or(common)?;
        Some(Typed::new(Node::Call(signature.function, nodes.into()), ty, false))
    }

    /// `x.matches('pattern')`: the pattern is a constant, compiled with the expression.
    fn matches(&mut self, e: &IdedExpr, arguments: &[&IdedExpr]) -> Option<Typed> {
        let usage = "write `x.matches('^[A-Z]{2}$')`, with the pattern as a text";
        let [text, pattern] = arguments else {
            return self.fail(Error::new(codes::ARGUMENTS, self.parsed.range(e), "`matches` takes a text and a pattern").help(usage));
        };
        let Expr::Literal(LiteralValue::String(source)) = &pattern.expr else {
            return self.fail(Error::new(codes::ARGUMENTS, self.parsed.range(pattern), "the pattern is not a constant").help(usage));
        };
        let typed = self.expr(text);
        let compiled = match RegexBuilder::new(source.inner()).size_limit(MAX_PATTERN).build() {
            Ok(compiled) => compiled,
            Err(error) => {
                let message = match error {
                    regex::Error::CompiledTooBig(_) => "the pattern is too large".to_owned(),
                    error => format!(
                        "not a regular expression: {}",
                        error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ")
                    ),
                };
                return self.fail(Error::new(codes::CONSTANT, self.parsed.range(pattern), message));
            }
        };
        let typed = typed?;
        if typed.ty != Ty::String {
            let message = format!("`matches` looks at texts, and this is a {}", typed.ty);
            return self.fail(Error::new(codes::ARGUMENTS, self.parsed.range(text), message).help("convert it with string()"));
        }
        Some(Typed::new(Node::Matches(Box::new(typed.node), compiled), Ty::Bool, false))
    }

    fn unknown(&mut self, e: &IdedExpr, name: &str) -> Option<Typed> {
        let names = || SIGNATURES.iter().map(|s| s.name).chain(["matches"]);
        let qualified = format!("math.{name}");
        let help = match names().find(|n| *n == qualified) {
            Some(n) => format!("did you mean `{n}`?"),
            None => did_you_mean(name, names()).unwrap_or_else(|| format!("there are {}", names().collect::<Vec<_>>().join(", "))),
        };
        self.fail(Error::new(codes::UNKNOWN_FUNCTION, self.parsed.range(e), format!("there is no function `{name}`")).help(help))
    }
}

/// How a function is written, for a help text.
fn usage(signature: &Signature) -> String {
    let types = |takes: &[Ty]| takes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
    let mut parameters: Vec<String> = signature.parameters.iter().map(|takes| types(takes)).collect();
    if signature.variadic {
        parameters.push("… of the same type".to_owned());
    }
    let member = signature.style == Style::Member;
    let receiver = if member { format!("({}).", parameters.remove(0)) } else { String::new() };
    format!("`{receiver}{}({})`", signature.name, parameters.join(", "))
}
