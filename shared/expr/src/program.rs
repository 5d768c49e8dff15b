//! A compiled expression.

use crate::check::{Checked, check};
use crate::error::{Error, codes};
use crate::parse::parse;
use crate::tree::Node;
use crate::{EvalError, Scope, Ty};
use std::fmt;
use std::sync::Arc;
use tidemill_events::Value;

/// A compiled expression. Cheap to clone; equal when the sources are.
#[derive(Clone)]
pub struct Program {
    inner: Arc<Inner>,
}

struct Inner {
    source: String,
    root: Node,
    ty: Ty,
    nullable: bool,
    slots: Vec<usize>,
}

impl PartialEq for Program {
    fn eq(&self, other: &Self) -> bool {
        self.inner.source == other.inner.source
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Program").field(&self.inner.source).finish()
    }
}

/// Type-checks `source` against `scope` and compiles it.
///
/// # Errors
/// Every fault of the source, each with its place and, where there is one, the fix.
pub fn compile(source: &str, scope: &Scope) -> Result<Program, Vec<Error>> {
    let parsed = parse(source).map_err(|error| vec![error])?;
    let Checked { typed, slots } = check(&parsed, scope)?;
    let inner = Inner { source: source.to_owned(), root: typed.node, ty: typed.ty, nullable: typed.nullable, slots };
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
        self.inner.root.eval(slots).map(Value::from)
    }

    /// Refuses a program whose result is of none of the types `wanted`.
    ///
    /// # Errors
    /// Says what the result is and how to make it one of `wanted`.
    pub fn expect(self, wanted: &[Ty]) -> Result<Self, Error> {
        if wanted.contains(&self.ty()) {
            return Ok(self);
        }
        let message = format!("the result is {}, and {} is needed", a(self.ty()), any_of(wanted));
        let help = match (wanted.first(), self.ty()) {
            (Some(Ty::Bool), _) => "compare it with something, such as `> 0.0`",
            (_, Ty::Bool) => "choose two results with `? :`, such as `x ? 1.0 : 0.0`",
            (_, Ty::Timestamp) => "take a part of it, such as `x.getHours()`, or its seconds since 1970, `int(x)`",
            _ => "convert it with double(), int() or string()",
        };
        Err(Error::new(codes::RESULT, 0..self.source().len(), message).help(help))
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

/// A type with its article.
fn a(ty: Ty) -> String {
    if ty == Ty::Int { format!("an {ty}") } else { format!("a {ty}") }
}

fn any_of(types: &[Ty]) -> String {
    match types.split_last() {
        Some((last, [])) => a(*last),
        Some((last, others)) => {
            let others: Vec<String> = others.iter().map(|ty| a(*ty)).collect();
            format!("{} or {}", others.join(", "), a(*last))
        }
        None => "nothing".to_owned(),
    }
}
