//! Types of what an expression names: a variable, or a field of an owner.

use super::{Checker, Typed};
use crate::error::{Error, codes};
use crate::suggest::did_you_mean;
use crate::tree::Node;
use cel::common::ast::{Expr, IdedExpr, SelectExpr};

impl Checker<'_> {
    pub(super) fn variable(&mut self, e: &IdedExpr, name: &str) -> Option<Typed> {
        if let Some(typed) = self.slot(name) {
            return Some(typed);
        }
        let error = Error::new(codes::UNKNOWN_VARIABLE, self.parsed.range(e), format!("`{name}` is not known here"));
        let names = || self.scope.variables.iter().map(|v| v.name.as_str());
        let help = match self.scope.fields(name).next() {
            Some(field) => format!("name one of its fields, such as `{name}.{field}`"),
            None => did_you_mean(name, names()).unwrap_or_else(|| known(names())),
        };
        self.fail(error.help(help))
    }

    /// `owner.field`
    pub(super) fn field(&mut self, e: &IdedExpr, select: &SelectExpr) -> Option<Typed> {
        let owners = self.scope.owners();
        let owner = match &select.operand.expr {
            Expr::Ident(owner) if !select.test && !owners.is_empty() => owner,
            _ => return self.not_available(e, "a field of a value", "events are flat: use the field's own name"),
        };
        if let Some(typed) = self.slot(&format!("{owner}.{}", select.field)) {
            return Some(typed);
        }
        let fields = || self.scope.fields(owner);
        let error = if fields().next().is_none() {
            let help = did_you_mean(owner, owners.iter().copied()).unwrap_or_else(|| known(owners.into_iter()));
            Error::new(codes::UNKNOWN_VARIABLE, self.parsed.range(&select.operand), format!("`{owner}` is not known here")).help(help)
        } else {
            let help = did_you_mean(&select.field, fields()).unwrap_or_else(|| known(fields()));
            Error::new(codes::UNKNOWN_VARIABLE, self.parsed.range(e), format!("`{owner}` has no `{}`", select.field)).help(help)
        };
        self.fail(error)
    }

    fn slot(&mut self, name: &str) -> Option<Typed> {
        let slot = self.scope.variables.iter().position(|v| v.name == name)?;
        self.slots.insert(slot);
        let variable = &self.scope.variables[slot];
        Some(Typed::new(Node::Slot(slot), variable.ty, variable.nullable))
    }
}

/// The names there are, for a help text.
fn known<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const SHOWN: usize = 8;
    let names: Vec<&str> = names.collect();
    let more = if names.len() > SHOWN { format!(" and {} more", names.len() - SHOWN) } else { String::new() };
    let shown: Vec<String> = names.iter().take(SHOWN).map(|n| format!("`{n}`")).collect();
    format!("known here: {}{more}", shown.join(", "))
}
