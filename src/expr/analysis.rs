//! What can be told of an expression from its text: which variables it reads, whether all its names
//! are known, and an upper bound for what it builds.
//!
//! minijinja's own list of undeclared variables is not used: it forgets some places (slices,
//! `{% with x = x %}`), and the rule about secrets depends on it.

use std::ops::Range;

use minijinja::machinery::{Span, ast, tokenize};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;

use super::language::FUNCTIONS;
use super::names::{TESTS, known, unknown};
use super::size::Size;
use super::{ExprError, Limits, NAMES, filters};

use ast::{BinOpKind, CallArg, Expr, Stmt};

/// What a text reads.
pub(super) struct Analysis {
    reads: Vec<Read>,
}

/// A variable and the member that is read; `None`: perhaps any.
struct Read {
    top: String,
    member: Option<String>,
    /// Where first, bytes.
    at: Range<usize>,
}

type Checked<T = ()> = Result<T, ExprError>;

impl Analysis {
    /// Whether the text is short enough to be looked at.
    pub(super) fn fits(source: &str, is_expression: bool) -> Checked {
        if source.trim().is_empty() {
            return Err(ExprError::new("it is empty"));
        }
        if source.len() > Limits::SOURCE_BYTES_MAX {
            let max = Limits::SOURCE_BYTES_MAX;
            return Err(ExprError::new(format!("it is longer than {max} bytes")));
        }
        let tokens = tokenize(source, is_expression, SyntaxConfig::default());
        for (n, token) in tokens.enumerate() {
            if n == Limits::TOKENS_MAX {
                let max = Limits::TOKENS_MAX;
                return Err(ExprError::new(format!("it is longer than {max} words and signs")));
            }
            // The parser takes a character that it cannot read for the end where it follows a text:
            // `a == 'b' && c` would mean `a == 'b'`.
            token.map_err(|error| ExprError::of(&error, source))?;
        }
        Ok(())
    }

    pub(super) fn of_expression(tree: &Expr<'_>) -> Checked<Self> {
        let mut walk = Walk::new();
        walk.expr(tree)?;
        Ok(Self { reads: walk.reads })
    }

    pub(super) fn of_template(tree: &Stmt<'_>) -> Checked<Self> {
        let mut walk = Walk::new();
        walk.statement(tree)?;
        Ok(Self { reads: walk.reads })
    }

    /// See `Expression::may_read`.
    pub(super) fn may_read(&self, top: &str, member: &str) -> bool {
        let is_it = |m: &Option<String>| m.as_deref().is_none_or(|m| m == member);
        self.reads.iter().any(|read| read.top == top && is_it(&read.member))
    }

    /// See `Expression::first_read`.
    pub(super) fn first_read(&self, top: &str) -> Option<Range<usize>> {
        self.reads.iter().find(|read| read.top == top).map(|read| read.at.clone())
    }
}

struct Walk<'t> {
    reads: Vec<Read>,
    /// Names that the template sets, by scope.
    locals: Vec<Vec<(&'t str, Size)>>,
    depth: usize,
}

impl<'t> Walk<'t> {
    fn new() -> Self {
        Self { reads: Vec::new(), locals: vec![Vec::new()], depth: 0 }
    }

    /// One level down. The tree is as deep as its longest chain of operators, the stack is not.
    fn nested<T>(&mut self, at: Span, walk: impl FnOnce(&mut Self) -> Checked<T>) -> Checked<T> {
        self.depth += 1;
        if self.depth > Limits::SYNTAX_DEPTH_MAX {
            let max = Limits::SYNTAX_DEPTH_MAX;
            return Err(ExprError::at(at, format!("it is nested more than {max} deep")));
        }
        let result = walk(self);
        self.depth -= 1;
        result
    }

    fn expr(&mut self, expr: &Expr<'t>) -> Checked<Size> {
        let size = self.nested(expr.span(), |walk| walk.expr_inside(expr))?;
        size.check(expr.span())
    }

    fn expr_inside(&mut self, expr: &Expr<'t>) -> Checked<Size> {
        match expr {
            Expr::Var(var) => self.variable(var.id, None, var.span()),
            Expr::GetAttr(attr) => match &attr.expr {
                Expr::Var(var) => self.variable(var.id, Some(attr.name), var.span()),
                other => self.expr(other),
            },
            Expr::GetItem(item) => {
                self.expr(&item.subscript_expr)?;
                match (&item.expr, constant_text(&item.subscript_expr)) {
                    (Expr::Var(var), Some(name)) => self.variable(var.id, Some(name), var.span()),
                    (other, _) => self.expr(other),
                }
            }
            Expr::Const(constant) => Ok(Size::of_text(constant.value.as_str().unwrap_or(""))),
            Expr::Slice(slice) => {
                for part in [&slice.start, &slice.stop, &slice.step].into_iter().flatten() {
                    self.expr(part)?;
                }
                self.expr(&slice.expr)
            }
            Expr::UnaryOp(op) => self.expr(&op.expr).map(|_| Size::SMALL),
            Expr::BinOp(op) => self.operator(op),
            Expr::Compare(compare) => {
                self.expr(&compare.expr)?;
                compare.ops.iter().try_for_each(|op| self.expr(&op.expr).map(drop))?;
                Ok(Size::SMALL)
            }
            Expr::IfExpr(choice) => {
                self.expr(&choice.test_expr)?;
                let one = self.expr(&choice.true_expr)?;
                let other = choice.false_expr.as_ref().map(|expr| self.expr(expr)).transpose()?;
                Ok(one.or(other.unwrap_or(Size::SMALL)))
            }
            Expr::Filter(filter) => self.filter(filter, filter.span()),
            Expr::Test(test) => {
                known("test", test.name, &TESTS, test.span())?;
                self.expr(&test.expr)?;
                self.arguments(&test.args)?;
                Ok(Size::SMALL)
            }
            Expr::Call(call) => self.call(call),
            Expr::List(list) => self.all(&list.items),
            Expr::Tuple(tuple) => self.all(&tuple.items),
            Expr::Map(map) => Ok(self.all(&map.keys)?.and(self.all(&map.values)?)),
        }
    }

    fn variable(&mut self, name: &str, member: Option<&str>, at: Span) -> Checked<Size> {
        let mut locals = self.locals.iter().rev().flat_map(|scope| scope.iter().rev());
        if let Some((_, size)) = locals.find(|(local, _)| *local == name) {
            return Ok(*size);
        }
        if !NAMES.contains(&name) {
            return Err(unknown("variable", name, &NAMES, at));
        }
        if !self.reads.iter().any(|read| read.top == name && read.member.as_deref() == member) {
            let at = at.start_offset as usize..at.end_offset as usize;
            self.reads.push(Read { top: name.to_owned(), member: member.map(str::to_owned), at });
        }
        Ok(Size::VARIABLE)
    }

    fn operator(&mut self, op: &ast::BinOp<'t>) -> Checked<Size> {
        let (left, right) = (self.expr(&op.left)?, self.expr(&op.right)?);
        Ok(match op.op {
            BinOpKind::Concat | BinOpKind::Add => left.and(right),
            BinOpKind::Mul => match (&op.left, &op.right) {
                (Expr::Const(text), Expr::Const(number)) => times(&text.value, &number.value)
                    .or_else(|| times(&number.value, &text.value))
                    .unwrap_or(Size::SMALL),
                (Expr::Const(one), _) | (_, Expr::Const(one)) if one.value.is_number() => {
                    left.and(right)
                }
                _ => left.and(right).or(Size::VARIABLE),
            },
            BinOpKind::ScAnd | BinOpKind::ScOr => left.or(right),
            _ => Size::SMALL,
        })
    }

    fn filter(&mut self, filter: &ast::Filter<'t>, at: Span) -> Checked<Size> {
        known("filter", filter.name, &filters::NAMES, at)?;
        let input = filter.expr.as_ref().map(|expr| self.expr(expr)).transpose()?;
        let arguments = self.arguments(&filter.args)?;
        Ok(match filter.name {
            "length" | "count" | "int" | "float" | "abs" | "round" | "bool" | "sum" => Size::SMALL,
            "join" | "replace" | "string" | "tojson" | "urlencode" => Size::VARIABLE.flat(),
            // What these make may hold lists of lists.
            _ => input.unwrap_or(Size::VARIABLE).and(arguments).deeper(),
        })
    }

    fn call(&mut self, call: &ast::Call<'t>) -> Checked<Size> {
        let arguments = self.arguments(&call.args)?;
        match &call.expr {
            Expr::Var(var) if FUNCTIONS.contains(&var.id) => Ok(arguments.or(Size::VARIABLE)),
            Expr::Var(var) => Err(unknown("function", var.id, &FUNCTIONS, var.span())),
            Expr::GetAttr(attr) if matches!(&attr.expr, Expr::Var(var) if var.id == "loop") => {
                self.expr(&attr.expr)?;
                Ok(arguments)
            }
            other => Err(ExprError::at(other.span(), "values have no methods; use a filter")),
        }
    }

    fn arguments(&mut self, arguments: &[CallArg<'t>]) -> Checked<Size> {
        let mut size = Size::SMALL;
        for argument in arguments {
            let (CallArg::Pos(expr)
            | CallArg::Kwarg(_, expr)
            | CallArg::PosSplat(expr)
            | CallArg::KwargSplat(expr)) = argument;
            size = size.and(self.expr(expr)?);
        }
        Ok(size)
    }

    fn all(&mut self, items: &[Expr<'t>]) -> Checked<Size> {
        let mut size = Size::SMALL;
        for item in items {
            size = size.and(self.expr(item)?);
        }
        Ok(size.deeper())
    }

    /// Statements; how many bytes of the template's own text they can write.
    fn statements(&mut self, statements: &[Stmt<'t>]) -> Checked<u64> {
        let mut written = 0_u64;
        for statement in statements {
            written = written.saturating_add(self.statement(statement)?);
        }
        Ok(written)
    }

    fn scoped(&mut self, statements: &[Stmt<'t>]) -> Checked<u64> {
        self.locals.push(Vec::new());
        let written = self.statements(statements);
        self.locals.pop();
        written
    }

    fn statement(&mut self, statement: &Stmt<'t>) -> Checked<u64> {
        let at = span(statement);
        self.nested(at, |walk| walk.statement_inside(statement, at))
    }

    fn statement_inside(&mut self, statement: &Stmt<'t>, at: Span) -> Checked<u64> {
        match statement {
            Stmt::Template(template) => self.statements(&template.children),
            Stmt::EmitExpr(emit) => self.expr(&emit.expr).map(|_| 0),
            Stmt::EmitRaw(raw) => Ok(raw.raw.len() as u64),
            Stmt::ForLoop(each) => self.for_loop(each, at),
            Stmt::IfCond(choice) => {
                self.expr(&choice.expr)?;
                // What is set in a branch stays set.
                let one = self.statements(&choice.true_body)?;
                Ok(one.max(self.statements(&choice.false_body)?))
            }
            Stmt::WithBlock(with) => {
                self.locals.push(Vec::new());
                for (target, value) in &with.assignments {
                    let size = self.expr(value)?;
                    self.set(target, size)?;
                }
                let written = self.statements(&with.body);
                self.locals.pop();
                written
            }
            Stmt::Set(set) => {
                let size = self.expr(&set.expr)?;
                self.set(&set.target, size)?;
                Ok(0)
            }
            Stmt::SetBlock(set) => {
                if let Some(filter) = &set.filter {
                    self.expr(filter)?;
                }
                let written = self.scoped(&set.body)?;
                let size = Size::of_bytes(written).and(Size::VARIABLE.flat()).check(at)?;
                self.set(&set.target, size)?;
                Ok(0)
            }
            Stmt::FilterBlock(filter) => {
                self.expr(&filter.filter)?;
                let written = self.scoped(&filter.body)?;
                Size::of_bytes(written).check(at)?;
                Ok(written)
            }
            Stmt::AutoEscape(_) | Stmt::Do(_) => {
                Err(ExprError::at(at, "this statement is not part of the language here"))
            }
        }
    }

    fn for_loop(&mut self, each: &ast::ForLoop<'t>, at: Span) -> Checked<u64> {
        if each.recursive {
            return Err(ExprError::at(at, "recursive loops are not part of the language here"));
        }
        let size = self.expr(&each.iter)?;
        self.locals.push(vec![("loop", Size::SMALL)]);
        self.set(&each.target, size)?;
        if let Some(filter) = &each.filter_expr {
            self.expr(filter)?;
        }
        let written = self.statements(&each.body)?;
        self.locals.pop();
        let turns = Limits::ELEMENTS_MAX as u64;
        let otherwise = self.scoped(&each.else_body)?;
        Ok(written.saturating_mul(turns).max(otherwise))
    }

    /// A name that the template sets itself.
    fn set(&mut self, target: &Expr<'t>, size: Size) -> Checked {
        match target {
            Expr::Var(var) => {
                if NAMES.contains(&var.id) || FUNCTIONS.contains(&var.id) || var.id == "loop" {
                    let message = format!("`{}` is taken; choose another name", var.id);
                    return Err(ExprError::at(var.span(), message));
                }
                let scope = self.locals.last_mut().expect("the outermost scope is never left");
                scope.push((var.id, size));
                Ok(())
            }
            Expr::List(list) => list.items.iter().try_for_each(|item| self.set(item, size)),
            Expr::Tuple(tuple) => tuple.items.iter().try_for_each(|item| self.set(item, size)),
            other => Err(ExprError::at(other.span(), "only names can be set")),
        }
    }
}

fn span(statement: &Stmt<'_>) -> Span {
    match statement {
        Stmt::Template(s) => s.span(),
        Stmt::EmitExpr(s) => s.span(),
        Stmt::EmitRaw(s) => s.span(),
        Stmt::ForLoop(s) => s.span(),
        Stmt::IfCond(s) => s.span(),
        Stmt::WithBlock(s) => s.span(),
        Stmt::Set(s) => s.span(),
        Stmt::SetBlock(s) => s.span(),
        Stmt::AutoEscape(s) => s.span(),
        Stmt::FilterBlock(s) => s.span(),
        Stmt::Do(s) => s.span(),
    }
}

fn constant_text<'e>(expr: &'e Expr<'_>) -> Option<&'e str> {
    let Expr::Const(constant) = expr else { return None };
    constant.value.as_str()
}

/// A text repeated a number of times.
fn times(text: &minijinja::Value, number: &minijinja::Value) -> Option<Size> {
    let n = number.as_usize().filter(|_| number.kind() == ValueKind::Number)?;
    Some(Size::of_bytes((text.as_str()?.len() as u64).saturating_mul(n as u64)))
}
