//! What an expression may name: variables with a type, each in a slot.

use compact_str::CompactString;
use std::fmt;
use tidemill_events::layout::{FeatureColumn, FeatureType};
use tidemill_events::{RecordSchema, Type};

/// The type of an expression, apart from whether it may be null.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ty {
    /// The literal `null`.
    Null,
    /// A boolean.
    Bool,
    /// A 64-bit integer.
    Int,
    /// A double.
    Double,
    /// An exact decimal.
    Decimal,
    /// Text.
    String,
    /// An instant.
    Timestamp,
}

impl fmt::Display for Ty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Ty::Null => "null",
            Ty::Bool => "bool",
            Ty::Int => "int",
            Ty::Double => "double",
            Ty::Decimal => "decimal",
            Ty::String => "string",
            Ty::Timestamp => "timestamp",
        })
    }
}

impl From<&Type> for Ty {
    fn from(ty: &Type) -> Self {
        match ty {
            Type::Bool => Ty::Bool,
            Type::Int | Type::Long => Ty::Int,
            Type::Float | Type::Double => Ty::Double,
            Type::Decimal { .. } => Ty::Decimal,
            Type::String | Type::Enum(_) => Ty::String,
            Type::TimestampMillis | Type::TimestampMicros => Ty::Timestamp,
        }
    }
}

/// A name an expression may use. Its slot is its index in the [`Scope`].
///
/// A name with a dot, `owner.field`, is written so in expressions too; `owner` alone is no variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: CompactString,
    /// Its type.
    pub ty: Ty,
    /// Whether its slot may hold null.
    pub nullable: bool,
}

/// The variables of an expression.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scope {
    /// In slot order.
    pub variables: Vec<Variable>,
}

impl Scope {
    /// The names of `owner`'s fields, without the owner.
    pub(crate) fn fields<'a>(&'a self, owner: &'a str) -> impl Iterator<Item = &'a str> {
        self.variables.iter().filter_map(move |v| v.name.strip_prefix(owner)?.strip_prefix('.'))
    }

    /// The owners that fields are named by, each once where its fields are beside each other.
    pub(crate) fn owners(&self) -> Vec<&str> {
        let mut owners: Vec<&str> = self.variables.iter().filter_map(|v| Some(v.name.split_once('.')?.0)).collect();
        owners.dedup();
        owners
    }
}

impl From<&RecordSchema> for Scope {
    /// The fields of an event.
    fn from(schema: &RecordSchema) -> Self {
        let variable = |f: &tidemill_events::Field| Variable { name: f.name.clone(), ty: (&f.ty).into(), nullable: f.nullable };
        Self { variables: schema.fields.iter().map(variable).collect() }
    }
}

impl From<&[FeatureColumn]> for Scope {
    /// The columns of a feature vector; any of them may be null.
    fn from(columns: &[FeatureColumn]) -> Self {
        let variable = |c: &FeatureColumn| {
            let ty = match c.ty {
                FeatureType::Double => Ty::Double,
                FeatureType::String => Ty::String,
            };
            Variable { name: c.name.clone(), ty, nullable: true }
        };
        Self { variables: columns.iter().map(variable).collect() }
    }
}
