//! Puts mutants into a source, all at once: each behind the question whether it is the one that runs.

use std::ops::Range;

use proc_macro2::LineColumn;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::list::{Genre, Mutant};

/// A source with mutants in it.
pub struct Embedded {
    /// The source.
    pub text: String,
    /// The mutants in it (by their number), and the lines that are theirs alone, from one on.
    pub lines: Vec<(usize, Range<usize>)>,
}

/// What runs instead of a mutant's number, in the library.
const ASK: &str = "crate::sync::mutant";

/// A source with all of these mutants that can be embedded: what stands in a constant cannot.
pub fn embed(source: &str, mutants: &[(usize, &Mutant)]) -> Result<Embedded, syn::Error> {
    let file = syn::parse_file(source)?;
    let mut sites = Sites { text: Text::new(source), mutants, found: Vec::new() };
    sites.visit_file(&file);
    let Sites { found, .. } = sites;

    // All that is put in, by place. At one place what ends there comes first, the inner before the outer; then what begins,
    // the outer before the inner.
    let mut pieces: Vec<_> = Vec::new();
    for (order, site) in found.iter().enumerate() {
        let order = i64::try_from(order).unwrap_or(i64::MAX);
        let Range { start, end } = site.range;
        if start < end {
            pieces.push((end, 0, usize::MAX - start, -order, site.after.as_str()));
        }
        pieces.push((start, 1, usize::MAX - end, order, site.before.as_str()));
    }
    pieces.sort_unstable();
    let mut text = String::new();
    let mut from = 0;
    for (at, .., piece) in pieces {
        text += &source[from..at];
        text += piece;
        from = at;
    }
    text += &source[from..];

    let mut lines = Vec::new();
    let mut begun = 0;
    for (number, line) in text.lines().enumerate() {
        if line.starts_with(BEGIN) {
            begun = number + 1;
        } else if let Some(mutant) =
            line.strip_prefix(END).and_then(|rest| rest.split(' ').next()?.parse().ok())
        {
            lines.push((mutant, begun + 1..number + 1));
        }
    }
    Ok(Embedded { text, lines })
}

const BEGIN: &str = "/* mutant";
const END: &str = "/* end of ";

/// A mutant's text on lines of its own.
fn lines_of(number: usize, text: &str) -> String {
    format!("\n{BEGIN} */\n{text}\n{END}{number} */\n")
}

struct Site {
    range: Range<usize>,
    before: String,
    after: String,
}

struct Sites<'a> {
    text: Text<'a>,
    mutants: &'a [(usize, &'a Mutant)],
    found: Vec<Site>,
}

impl<'a> Sites<'a> {
    /// The mutants of one kind that begin at this place.
    fn of(&self, genre: Genre, at: LineColumn) -> Vec<(usize, &'a Mutant)> {
        let begins =
            |mutant: &Mutant| (mutant.span.start.line, mutant.span.start.column) == (at.line, at.column + 1);
        self.mutants.iter().filter(|(_, mutant)| mutant.genre == genre && begins(mutant)).copied().collect()
    }

    /// One of these expressions, else what stands there.
    fn choose(&mut self, range: Range<usize>, others: &[(usize, String)]) {
        let Some(((first, text), rest)) = others.split_first() else { return };
        let mut before = format!("(if {ASK}({first}) {{{}}}", lines_of(*first, text));
        for (number, text) in rest {
            before += &format!(" else if {ASK}({number}) {{{}}}", lines_of(*number, text));
        }
        before += " else {(";
        self.found.push(Site { range, before, after: ")})".to_owned() });
    }

    fn body(&mut self, signature: &syn::Signature, block: &syn::Block) -> bool {
        let Some(first) = block.stmts.first() else { return false };
        if signature.constness.is_some() {
            return false;
        }
        // Where a type has no name, all that is given must have the one type.
        let named = !self.text.of(signature.output.span()).contains("impl ");
        let mut before = String::new();
        for (number, mutant) in self.of(Genre::FnValue, first.span().start()).into_iter().filter(|_| named) {
            let text = lines_of(number, &format!("return ({});", mutant.replacement));
            before += &format!("if {ASK}({number}) {{{text}}}");
        }
        if !before.is_empty() {
            let at = self.text.at(block.brace_token.span.open().end());
            self.found.push(Site { range: at..at, before, after: String::new() });
        }
        true
    }
}

/// Whether the expression is a chain that binds.
fn binds(expression: &syn::Expr) -> bool {
    match expression {
        syn::Expr::Let(_) => true,
        syn::Expr::Binary(pair) => binds(&pair.left) || binds(&pair.right),
        _ => false,
    }
}

impl<'ast> Visit<'ast> for Sites<'_> {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        if self.body(&function.sig, &function.block) {
            visit::visit_block(self, &function.block);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if self.body(&function.sig, &function.block) {
            visit::visit_block(self, &function.block);
        }
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(block) = &function.default {
            if self.body(&function.sig, block) {
                visit::visit_block(self, block);
            }
        }
    }

    fn visit_expr_binary(&mut self, pair: &'ast syn::ExprBinary) {
        if !binds(&pair.left) && !binds(&pair.right) {
            let (left, right) = (self.text.of(pair.left.span()), self.text.of(pair.right.span()));
            let others: Vec<_> = self
                .of(Genre::BinaryOperator, pair.op.span().start())
                .into_iter()
                .map(|(number, mutant)| {
                    let assigns = mutant.replacement.ends_with('=')
                        && !["==", "!=", "<=", ">="].contains(&mutant.replacement.as_str());
                    let left = if assigns { left.to_owned() } else { format!("({left})") };
                    (number, format!("{left} {} ({right})", mutant.replacement))
                })
                .collect();
            let range = self.text.range(pair.span());
            self.choose(range, &others);
        }
        visit::visit_expr_binary(self, pair);
    }

    fn visit_expr_unary(&mut self, unary: &'ast syn::ExprUnary) {
        let inner = self.text.of(unary.expr.span());
        let others: Vec<_> = self
            .of(Genre::UnaryOperator, unary.op.span().start())
            .into_iter()
            .map(|(number, _)| (number, inner.to_owned()))
            .collect();
        let range = self.text.range(unary.span());
        self.choose(range, &others);
        visit::visit_expr_unary(self, unary);
    }

    fn visit_expr_struct(&mut self, literal: &'ast syn::ExprStruct) {
        let whole = self.text.range(literal.span());
        let mut others = Vec::new();
        for pair in literal.fields.pairs() {
            let field = self.text.range(pair.value().span());
            let end = pair.punct().map_or(field.end, |comma| self.text.at(comma.span().end()));
            for (number, _) in self.of(Genre::StructField, pair.value().span().start()) {
                let source = self.text.source;
                others.push((number, source[whole.start..field.start].to_owned() + &source[end..whole.end]));
            }
        }
        self.choose(whole, &others);
        visit::visit_expr_struct(self, literal);
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        let deleted: String = self
            .of(Genre::MatchArm, arm.span().start())
            .iter()
            .map(|(number, _)| format!("!{ASK}({number})"))
            .collect();
        match &arm.guard {
            None if !deleted.is_empty() => {
                let at = self.text.at(arm.pat.span().end());
                let before = format!(
                    " if {}",
                    lines_of_guard(&self.of(Genre::MatchArm, arm.span().start()), &deleted)
                );
                self.found.push(Site { range: at..at, before, after: String::new() });
            }
            Some((_, guard)) => {
                let mut before = String::from("(");
                for (number, mutant) in self.of(Genre::MatchArmGuard, guard.span().start()) {
                    let asked = format!("{ASK}({number})");
                    before += &lines_of(
                        number,
                        &if mutant.replacement == "true" {
                            format!("{asked} ||")
                        } else {
                            format!("!{asked} &&")
                        },
                    );
                }
                if before.len() > 1 {
                    self.found.push(Site {
                        range: self.text.range(guard.span()),
                        before: before + "(",
                        after: "))".to_owned(),
                    });
                }
            }
            None => {}
        }
        // Not its pattern, which is no expression.
        if let Some((_, guard)) = &arm.guard {
            self.visit_expr(guard);
        }
        self.visit_expr(&arm.body);
    }

    // What the compiler works out.

    fn visit_item_const(&mut self, _: &'ast syn::ItemConst) {}

    fn visit_item_static(&mut self, _: &'ast syn::ItemStatic) {}

    fn visit_impl_item_const(&mut self, _: &'ast syn::ImplItemConst) {}

    fn visit_trait_item_const(&mut self, _: &'ast syn::TraitItemConst) {}

    fn visit_type(&mut self, _: &'ast syn::Type) {}

    fn visit_generics(&mut self, _: &'ast syn::Generics) {}

    fn visit_generic_argument(&mut self, _: &'ast syn::GenericArgument) {}

    fn visit_pat(&mut self, _: &'ast syn::Pat) {}

    fn visit_item_enum(&mut self, _: &'ast syn::ItemEnum) {}

    fn visit_expr_const(&mut self, _: &'ast syn::ExprConst) {}

    fn visit_expr_repeat(&mut self, array: &'ast syn::ExprRepeat) {
        self.visit_expr(&array.expr);
    }
}

fn lines_of_guard(mutants: &[(usize, &Mutant)], text: &str) -> String {
    mutants.first().map_or_else(String::new, |(number, _)| lines_of(*number, text))
}

/// A source in which lines and columns are looked up.
struct Text<'a> {
    source: &'a str,
    /// Where lines begin.
    begins: Vec<usize>,
}

impl<'a> Text<'a> {
    fn new(source: &'a str) -> Text<'a> {
        let begins = std::iter::once(0).chain(source.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Text { source, begins }
    }

    fn at(&self, place: LineColumn) -> usize {
        let begin = self.begins[place.line - 1];
        self.source[begin..].char_indices().nth(place.column).map_or(self.source.len(), |(at, _)| begin + at)
    }

    fn range(&self, span: proc_macro2::Span) -> Range<usize> {
        self.at(span.start())..self.at(span.end())
    }

    fn of(&self, span: proc_macro2::Span) -> &'a str {
        &self.source[self.range(span)]
    }
}
