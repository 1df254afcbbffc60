//! Reads a line of text token by token, and says where it went wrong.

use crate::error::{Error, Result};

/// A place in a text.
pub(crate) struct Scanner<'a> {
    text: &'a str,
    /// Bytes read; always at a character's start.
    at: usize,
}

/// Whether this is a name of a function or a parameter: a letter or `_`, then letters, digits and `_`, all ASCII.
pub(crate) fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// A name as it is written: bare if it is an identifier, else in quotes with `\"`, `\\` and `\n`.
pub(crate) fn write_name(name: &str, out: &mut String) {
    if is_name(name) {
        out.push_str(name);
    } else {
        write_quoted(name, out);
    }
}

/// A text in quotes.
pub(crate) fn write_quoted(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            other => out.push(other),
        }
    }
    out.push('"');
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str) -> Scanner<'a> {
        Scanner { text, at: 0 }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_spaces(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    /// The place of the next token, for errors that are found later.
    pub(crate) fn mark(&mut self) -> usize {
        self.skip_spaces();
        self.at
    }

    /// Goes back to a mark.
    pub(crate) fn reset(&mut self, mark: usize) {
        self.at = mark;
    }

    /// Whether this is the end of the text.
    pub(crate) fn at_end(&mut self) -> bool {
        self.skip_spaces();
        self.rest().is_empty()
    }

    /// Whether `token` comes next (spaces apart); if so it is read.
    pub(crate) fn eat(&mut self, token: &str) -> bool {
        self.skip_spaces();
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    /// Whether `token` comes next.
    pub(crate) fn peek(&mut self, token: &str) -> bool {
        self.skip_spaces();
        self.rest().starts_with(token)
    }

    /// Reads `token`, or says that `what` was expected.
    pub(crate) fn require(&mut self, token: &str, what: &str) -> Result<()> {
        if self.eat(token) {
            return Ok(());
        }
        Err(self.wrong(what))
    }

    /// A name, if one comes next.
    pub(crate) fn name(&mut self) -> Option<&'a str> {
        self.skip_spaces();
        let rest = self.rest();
        let end = rest
            .bytes()
            .position(|byte| !(byte.is_ascii_alphanumeric() || byte == b'_'))
            .unwrap_or(rest.len());
        let name = &rest[..end];
        if !is_name(name) {
            return None;
        }
        self.at += end;
        Some(name)
    }

    /// A name, bare or in quotes, if one comes next.
    pub(crate) fn name_or_quoted(&mut self) -> Result<Option<String>> {
        if self.peek("\"") {
            return self.quoted().map(Some);
        }
        Ok(self.name().map(str::to_owned))
    }

    /// A text in quotes.
    fn quoted(&mut self) -> Result<String> {
        self.require("\"", "'\"'")?;
        let mut text = String::new();
        let mut chars = self.rest().char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.at += at + 1;
                    return Ok(text);
                }
                '\\' => match chars.next() {
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, c @ ('"' | '\\'))) => text.push(c),
                    _ => {
                        self.at += at + 1;
                        return Err(self.wrong("'n', '\"' or '\\' after a backslash"));
                    }
                },
                other => text.push(other),
            }
        }
        self.at = self.text.len();
        Err(self.wrong("'\"' at the end of the quoted text"))
    }

    /// A run of characters of a time zone (`UTC`, `+02:00`, `Europe/Berlin`) or a quoted text.
    pub(crate) fn zone(&mut self) -> Result<String> {
        const EXPECTED: &str = "a time zone such as UTC";
        if self.peek("\"") {
            let mark = self.at;
            let zone = self.quoted()?;
            if zone.is_empty() {
                return Err(self.wrong_at(mark, "an empty text", EXPECTED));
            }
            return Ok(zone);
        }
        let rest = self.rest();
        let end = rest.bytes().position(|byte| !is_zone_byte(byte)).unwrap_or(rest.len());
        if end == 0 {
            return Err(self.wrong(EXPECTED));
        }
        self.at += end;
        Ok(rest[..end].to_owned())
    }

    /// A number, if digits (or a minus sign) come next; `what` for the error of one that is out of range.
    pub(crate) fn number<T: std::str::FromStr>(&mut self, what: &str) -> Result<Option<T>> {
        self.skip_spaces();
        let rest = self.rest();
        let sign = usize::from(rest.starts_with('-'));
        let digits =
            rest[sign..].bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len() - sign);
        if digits == 0 {
            return Ok(None);
        }
        let text = &rest[..sign + digits];
        let value = text.parse().map_err(|_| self.wrong(what))?;
        self.at += text.len();
        Ok(Some(value))
    }

    /// A number, or the error that says what was expected.
    pub(crate) fn need_number<T: std::str::FromStr>(&mut self, what: &str) -> Result<T> {
        self.number(what)?.ok_or_else(|| self.wrong(what))
    }

    /// The error of a token that is not what was expected.
    pub(crate) fn wrong(&mut self, expected: &str) -> Error {
        let mark = self.mark();
        let rest = &self.text[mark..];
        let word = rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
        let found = match rest.chars().next() {
            None => "the end".to_owned(),
            Some(first) => format!("'{}'", &rest[..word.clamp(first.len_utf8(), 40.max(first.len_utf8()))]),
        };
        self.wrong_at(mark, &found, expected)
    }

    /// The error of what was found at a mark.
    pub(crate) fn wrong_at(&self, mark: usize, found: &str, expected: &str) -> Error {
        let column = self.text[..mark].chars().count() + 1;
        Error::invalid(format!("column {column}: found {found}, expected {expected}"))
    }
}

/// Whether a zone is written without quotes.
pub(crate) fn is_bare_zone(zone: &str) -> bool {
    !zone.is_empty() && zone.bytes().all(is_zone_byte)
}

fn is_zone_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'+' | b'-' | b'/' | b':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_quotes() {
        for name in ["x", "_1", "Data_2"] {
            assert!(is_name(name));
        }
        for name in ["", "1x", "a b", "é", "a-b"] {
            assert!(!is_name(name));
        }
        for name in ["x", "", "a b", "say \"é\"\\", "two\nlines", "1"] {
            let mut text = String::new();
            write_name(name, &mut text);
            let mut scanner = Scanner::new(&text);
            assert_eq!(scanner.name_or_quoted().unwrap().as_deref(), Some(name));
            assert!(scanner.at_end());
        }
        for wrong in ["\"x", "\"\\x\"", "\"\\", "\""] {
            assert!(Scanner::new(wrong).name_or_quoted().is_err(), "{wrong}");
        }
    }

    #[test]
    fn errors_name_column_found_and_expected() {
        let mut scanner = Scanner::new("é  foo(");
        assert!(scanner.eat("é"));
        assert_eq!(scanner.wrong("')'").message(), "column 4: found 'foo', expected ')'");
        assert!(scanner.eat("foo"));
        assert_eq!(scanner.wrong("')'").message(), "column 7: found '(', expected ')'");
        assert!(scanner.eat("("));
        assert_eq!(scanner.wrong("')'").message(), "column 8: found the end, expected ')'");
        assert_eq!(
            Scanner::new("99999999999999999999").number::<i64>("a size").unwrap_err().kind().code(),
            -1
        );
        assert_eq!(Scanner::new("-7").number::<i8>("a scale").unwrap(), Some(-7));
        assert_eq!(Scanner::new("x").number::<i8>("a scale").unwrap(), None);
    }
}
