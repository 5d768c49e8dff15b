//! The configuration file: its keys become flags, and what is wrong is said with file and line.

use super::Error;
use clap::{Arg, ArgAction, Command};
use std::ffi::OsString;
use std::ops::Range;
use std::path::Path;
use toml_edit::{Document, Item, Value};

/// The settings in the file at `path`, as flags of `command`; without those that are given elsewhere.
pub(super) fn flags(command: &Command, path: &Path, is_given: impl Fn(&str) -> bool) -> Result<Vec<OsString>, Error> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::File(format!("{}: {e}", path.display())))?;
    let fault = |span: Option<Range<usize>>, why: String| {
        let line = span.map_or(1, |s| text[..s.start.min(text.len())].matches('\n').count() + 1);
        Error::File(format!("{}:{line}: {why}", path.display()))
    };
    let file = Document::parse(text.as_str()).map_err(|e| fault(e.span(), e.message().to_owned()))?;
    let mut flags = Vec::new();
    for (name, item) in file.iter() {
        let span = file.get_key_value(name).and_then(|(key, _)| key.span());
        let arg = settings(command).find(|a| a.get_long() == Some(name)).ok_or_else(|| fault(span.clone(), unknown(command, name)))?;
        let Some(flag) = flag(arg, name, item).map_err(|why| fault(span.clone(), why))? else { continue };
        check(command, &flag).map_err(|why| fault(span, format!("`{name}`: {why}")))?;
        if !is_given(arg.get_id().as_str()) {
            flags.push(flag);
        }
    }
    Ok(flags)
}

/// The flags that a file may set.
fn settings(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|a| a.get_long().is_some() && !matches!(a.get_id().as_str(), "config" | "help" | "version"))
}

fn unknown(command: &Command, name: &str) -> String {
    let mut names: Vec<&str> = settings(command).filter_map(Arg::get_long).collect();
    names.sort_unstable();
    format!("there is no setting `{name}`; there are: {}", names.join(", "))
}

fn flag(arg: &Arg, name: &str, item: &Item) -> Result<Option<OsString>, String> {
    let is_switch = matches!(arg.get_action(), ArgAction::SetTrue);
    let text = match item.as_value() {
        Some(Value::Boolean(on)) if is_switch => return Ok(on.value().then(|| format!("--{name}").into())),
        _ if is_switch => return Err(format!("`{name}` is true or false")),
        Some(Value::String(text)) => text.value().clone(),
        Some(Value::Integer(number)) => number.value().to_string(),
        Some(Value::Float(number)) => number.value().to_string(),
        Some(Value::Boolean(_) | Value::Datetime(_) | Value::Array(_) | Value::InlineTable(_)) | None => {
            return Err(format!("`{name}` has the type {}, but one string or number is wanted", item.type_name()));
        }
    };
    Ok(Some(format!("--{name}={text}").into()))
}

/// What clap says to this flag alone.
fn check(command: &Command, flag: &OsString) -> Result<(), String> {
    let alone = command.clone().mut_args(|a| a.required(false).env(None::<&'static str>));
    alone.try_get_matches_from([&OsString::from(command.get_name()), flag]).map(|_| ()).map_err(|error| {
        let said = error.to_string();
        said.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
    })
}
