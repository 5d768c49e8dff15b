//! A compiled expression.

use crate::{Error, EvalError, Scope, Ty};
use std::sync::Arc;
use tidemill_events::Value;

/// A compiled expression. Cheap to clone; equal when the sources are.
#[derive(Debug, Clone)]
pub struct Program {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    source: String,
    ty: Ty,
    nullable: bool,
    slots: Vec<usize>,
}

impl PartialEq for Program {
    fn eq(&self, other: &Self) -> bool {
        self.inner.source == other.inner.source
    }
}

/// Type-checks `source` against `scope` and compiles it.
///
/// # Errors
/// Every fault of the source, each with its place and, where there is one, the fix.
pub fn compile(source: &str, scope: &Scope) -> Result<Program, Vec<Error>> {
    let slot = scope.variables.iter().position(|v| v.name == source);
    let Some(slot) = slot else {
        return Err(vec![Error { code: "TM0201", message: format!("`{source}` is not known"), range: 0..source.len(), help: None }]);
    };
    let variable = &scope.variables[slot];
    let inner = Inner { source: source.to_owned(), ty: variable.ty, nullable: variable.nullable, slots: vec![slot] };
    Ok(Program { inner: Arc::new(inner) })
}

impl Program {
    /// Evaluates over the values of the scope's variables, in slot order.
    ///
    /// The result is null where the expression says so, and may be NaN or infinite: callers decide
    /// what that means.
    ///
    /// # Errors
    /// An error no operator absorbed: overflow, division by zero, a null operand, a failed conversion.
    pub fn eval(&self, slots: &[Value]) -> Result<Value, EvalError> {
        slots.get(self.inner.slots[0]).cloned().ok_or(EvalError::Slot)
    }

    /// The type of the result.
    #[must_use]
    pub fn ty(&self) -> Ty {
        self.inner.ty
    }

    /// Whether the result may be null.
    #[must_use]
    pub fn nullable(&self) -> bool {
        self.inner.nullable
    }

    /// The expression as written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.inner.source
    }

    /// The slots it reads, ascending, each once.
    #[must_use]
    pub fn slots(&self) -> &[usize] {
        &self.inner.slots
    }
}
