//! From text to CEL's syntax tree: limits, syntax errors in plain words, and the place of each node.

use crate::error::{Error, codes};
use cel::common::ast::{Expr, IdedExpr, LiteralValue, SourceInfo, operators};
use cel::parser::{ParseError, Parser};
use std::ops::Range;

/// Longest source, in bytes.
const MAX_BYTES: usize = 4 * 1024;
/// Deepest nesting of brackets and conditions.
const MAX_DEPTH: u16 = 32;
/// Most nodes in a tree.
const MAX_NODES: usize = 256;

/// A syntax tree, and where its nodes are in the source.
pub(crate) struct Parsed<'s> {
    pub(crate) source: &'s str,
    pub(crate) root: IdedExpr,
    places: SourceInfo,
}

pub(crate) fn parse(source: &str) -> Result<Parsed<'_>, Error> {
    if source.len() > MAX_BYTES {
        let message = format!("the expression has {} bytes; {MAX_BYTES} are possible", source.len());
        return Err(Error::new(codes::TOO_LARGE, 0..source.len(), message));
    }
    let parsed = Parser::new().max_recursion_depth(MAX_DEPTH).parse_with_source_info(source);
    let (root, places) = parsed.map_err(|errors| syntax_error(source, &errors.errors))?;
    let nodes = count(&root);
    if nodes > MAX_NODES {
        let message = format!("the expression has {nodes} parts; {MAX_NODES} are possible");
        return Err(Error::new(codes::TOO_LARGE, 0..source.len(), message).help("split it into several features or checks"));
    }
    Ok(Parsed { source, root, places })
}

/// Nodes of a tree, without recursion: this is what bounds the recursion of everything after it.
fn count(root: &IdedExpr) -> usize {
    let mut todo = vec![root];
    let mut nodes = 0;
    while let Some(node) = todo.pop() {
        nodes += 1;
        todo.extend(children(&node.expr));
    }
    nodes
}

fn children(expr: &Expr) -> Vec<&IdedExpr> {
    match expr {
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Select(select) => vec![&select.operand],
        Expr::Comprehension(c) => {
            vec![&c.iter_range, &c.accu_init, &c.loop_cond, &c.loop_step, &c.result]
        }
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) | Expr::Map(_) | Expr::Struct(_) => Vec::new(),
    }
}

impl Parsed<'_> {
    /// The bytes of the source that `node` was read from.
    pub(crate) fn range(&self, node: &IdedExpr) -> Range<usize> {
        let mut range = self.token(node);
        for child in children(&node.expr) {
            let child = self.range(child);
            range = range.start.min(child.start)..range.end.max(child.end);
        }
        match &node.expr {
            Expr::Call(call) if !is_operator(&call.func_name) => {
                if call.target.is_none() {
                    let before = self.source[..range.start].trim_end();
                    range.start = before.strip_suffix(call.func_name.as_str()).map_or(range.start, str::len);
                }
                self.through(range, ')')
            }
            Expr::Call(call) if call.func_name == operators::INDEX => self.through(range, ']'),
            Expr::List(_) => self.through(range, ']'),
            Expr::Comprehension(_) => self.through(range, ')'),
            Expr::Select(select) => {
                let end = range.end + select.field.len();
                range.start..if self.source.get(range.end..end) == Some(&select.field) { end } else { range.end }
            }
            Expr::Literal(LiteralValue::Int(_) | LiteralValue::Double(_)) => {
                let before = self.source[..range.start].trim_end();
                let start = if self.is_negative(node) { before.strip_suffix('-').map(str::len) } else { None };
                start.unwrap_or(range.start)..range.end
            }
            _ => range,
        }
    }

    /// The digits of a number literal as written, without its sign.
    pub(crate) fn text(&self, node: &IdedExpr) -> &str {
        self.source.get(self.token(node)).unwrap_or_default()
    }

    fn token(&self, node: &IdedExpr) -> Range<usize> {
        let (start, last) = self.places.offset_for(node.id).unwrap_or_default();
        let end = (last as usize + 1).clamp(start as usize, self.source.len());
        start as usize..end
    }

    fn is_negative(&self, node: &IdedExpr) -> bool {
        match &node.expr {
            Expr::Literal(LiteralValue::Int(v)) => *v.inner() < 0,
            Expr::Literal(LiteralValue::Double(v)) => v.inner().is_sign_negative(),
            _ => false,
        }
    }

    /// `range` with the closing bracket that follows it.
    fn through(&self, range: Range<usize>, close: char) -> Range<usize> {
        let rest = &self.source[range.end..];
        let closed = rest.trim_start().strip_prefix(close).map(|after| self.source.len() - after.len());
        range.start..closed.unwrap_or(range.end)
    }
}

fn is_operator(name: &str) -> bool {
    name.contains(['_', '@']) && (name == operators::IN || name.chars().any(|c| "+-*/%<>=!&|?[".contains(c)))
}

/// The first of the parser's complaints, in plain words: the later ones follow from it.
fn syntax_error(source: &str, errors: &[ParseError]) -> Error {
    if errors.iter().any(|e| e.msg.contains("Recursion limit") || e.msg.contains("recovery attempt limit")) {
        let message = format!("the expression is nested deeper than {MAX_DEPTH}, or is not CEL");
        return Error::new(codes::TOO_LARGE, 0..source.len(), message).help("name parts of it as features of their own");
    }
    // complaints that name a token say more than those of the tree builder, which lost it
    let first = errors.iter().find(|e| e.msg.starts_with("Syntax error")).or(errors.first());
    let (position, message) = first.map_or(((1, 1), ""), |e| (e.pos, e.msg.as_str()));
    let start = offset(source, position);
    let quoted = message.split_once('\'').map_or("", |(_, rest)| rest);
    let token = quoted.split_once("' expecting").map_or_else(|| quoted.trim_end_matches('\''), |(token, _)| token).trim_end();
    let range = start..end_of(source, start, token);
    let unclosed = message.contains("token recognition") && (quoted.starts_with('\'') || quoted.starts_with('"'));
    if unclosed {
        return Error::new(codes::SYNTAX, start..source.len(), "this text is not closed").help("end it with the quote it begins with");
    }
    if message.starts_with("Syntax error") {
        let what = if token == "<EOF>" { "the expression ends too early".to_owned() } else { format!("`{token}` is not expected here") };
        let error = Error::new(codes::SYNTAX, range, what);
        return match habit(source, start) {
            Some(help) => error.help(help),
            None => error,
        };
    }
    Error::new(codes::SYNTAX, range, message.to_owned())
}

/// What people write who think in another language than CEL.
fn habit(source: &str, start: usize) -> Option<&'static str> {
    let rest = &source[start..];
    let word = |w: &str| rest.strip_prefix(w).is_some_and(|r| !r.starts_with(|c: char| c.is_alphanumeric() || c == '_'));
    if rest.starts_with('=') {
        Some("equality is written `==`")
    } else if word("and") || rest.starts_with("& ") {
        Some("write `&&` for and")
    } else if word("or") || rest.starts_with("| ") {
        Some("write `||` for or")
    } else if word("not") || source[..start].trim_end().ends_with("not") {
        Some("write `!` for not")
    } else {
        None
    }
}

/// Byte offset of a position in lines and characters, both from 1.
fn offset(source: &str, (line, column): (isize, isize)) -> usize {
    let line_start = match usize::try_from(line - 1) {
        Ok(lines) if lines > 0 => source.match_indices('\n').nth(lines - 1).map_or(source.len(), |(i, _)| i + 1),
        _ => 0,
    };
    let column = usize::try_from(column - 1).unwrap_or(0);
    source[line_start..].char_indices().nth(column).map_or(source.len(), |(i, _)| line_start + i)
}

/// Where the token at `start` ends; a word or number if the parser did not name it.
fn end_of(source: &str, start: usize, token: &str) -> usize {
    let rest = &source[start..];
    let length = match rest.strip_prefix(token) {
        Some(_) if !token.is_empty() => token.len(),
        _ => rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len()),
    };
    start + length
}
