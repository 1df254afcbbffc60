//! What is written: aligned tables for people (with colour on a terminal), JSON for programs.

use std::fmt::Write as _;
use std::io::{ErrorKind, IsTerminal, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sdp_dal::error::{Error, Result};
use serde::Serialize;

/// The colour of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shade {
    /// As everything else.
    Plain,
    /// A heading.
    Bold,
    /// Of no more interest.
    Dim,
    /// On its way.
    Yellow,
    /// Wrong.
    Red,
}

impl Shade {
    fn code(self) -> Option<&'static str> {
        match self {
            Shade::Plain => None,
            Shade::Bold => Some("1"),
            Shade::Dim => Some("2"),
            Shade::Yellow => Some("33"),
            Shade::Red => Some("31"),
        }
    }
}

/// Text that is kept at most while more of a long list is coming.
const MOST: usize = 1 << 20;

/// Collects what a command writes; written at the end, by `flush`, or when it has become long: a slow reader should not
/// keep us attached to a store for the sake of a few lines.
pub struct Output {
    text: String,
    colours: bool,
}

impl Output {
    /// Output to the standard output.
    pub fn new() -> Output {
        let wished = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Output { text: String::new(), colours: wished && std::io::stdout().is_terminal() }
    }

    /// Whether it is coloured.
    pub fn colours(&self) -> bool {
        self.colours
    }

    /// A line.
    pub fn line(&mut self, text: impl AsRef<str>) {
        self.text.push_str(text.as_ref());
        self.text.push('\n');
    }

    /// A value as JSON.
    pub fn json(&mut self, value: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string_pretty(value);
        self.line(text.map_err(|wrong| Error::internal(format!("this cannot be written as JSON: {wrong}")))?);
        Ok(())
    }

    /// Values, as they come, as a JSON array. Ends early if the reader has closed.
    pub fn json_list<T: Serialize>(&mut self, values: impl Iterator<Item = Result<T>>) -> Result<()> {
        let mut before = "[\n  ";
        for value in values {
            let text = serde_json::to_string_pretty(&value?);
            let text =
                text.map_err(|wrong| Error::internal(format!("this cannot be written as JSON: {wrong}")))?;
            self.text.push_str(before);
            // A line's end in a value is escaped.
            self.text.push_str(&text.replace('\n', "\n  "));
            before = ",\n  ";
            if !self.flush_if_long()? {
                return Ok(());
            }
        }
        self.line(if before.starts_with('[') { "[]" } else { "\n]" });
        Ok(())
    }

    /// A table.
    pub fn table(&mut self, table: &Table) {
        table.write(&mut self.text, self.colours);
    }

    /// The rows so far of a table that goes on; they are taken out of it, and what follows is aligned with them as far as
    /// it fits. False if the reader has closed.
    pub fn rows(&mut self, table: &mut Table) -> Result<bool> {
        table.widths = table.write(&mut self.text, self.colours);
        table.rows.clear();
        self.flush_if_long()
    }

    /// Writes what there is if it is much. False if the reader has closed.
    pub fn flush_if_long(&mut self) -> Result<bool> {
        if self.text.len() < MOST {
            return Ok(true);
        }
        self.flush_to_reader()
    }

    /// Writes what there is. A reader that has closed (as `head` does) is not an error.
    pub fn flush(&mut self) -> Result<()> {
        self.flush_to_reader().map(drop)
    }

    /// Writes what there is. False if the reader has closed.
    pub fn flush_to_reader(&mut self) -> Result<bool> {
        if self.text.is_empty() {
            return Ok(true);
        }
        let mut stdout = std::io::stdout().lock();
        let written = stdout.write_all(self.text.as_bytes()).and_then(|()| stdout.flush());
        self.text.clear();
        match written {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(Error::io("writing the output", &error)),
        }
    }
}

/// One cell: a text, where it goes, its colour.
pub struct Cell {
    text: String,
    right: bool,
    shade: Shade,
}

impl Cell {
    /// A text at the left.
    pub fn new(text: impl AsRef<str>) -> Cell {
        Cell { text: plain(text.as_ref()), right: false, shade: Shade::Plain }
    }

    /// At the right, as numbers are.
    pub fn right(mut self) -> Cell {
        self.right = true;
        self
    }

    /// In this colour.
    pub fn shaded(mut self, shade: Shade) -> Cell {
        self.shade = shade;
        self
    }
}

/// Rows of cells in aligned columns.
pub struct Table {
    rows: Vec<Vec<Cell>>,
    /// How wide the columns are at least.
    widths: Vec<usize>,
}

impl Table {
    /// A table with these headings; none: a table without.
    pub fn new(headings: &[&str]) -> Table {
        let heading = |text: &&str| Cell::new(text).shaded(Shade::Bold);
        let rows = if headings.is_empty() { vec![] } else { vec![headings.iter().map(heading).collect()] };
        Table { rows, widths: vec![] }
    }

    /// One more row.
    pub fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// A row of a name and a text.
    pub fn pair(&mut self, name: &str, text: impl AsRef<str>) {
        self.row(vec![Cell::new(name).shaded(Shade::Bold), Cell::new(text)]);
    }

    /// How many rows it has, with its headings.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Its lines.
    pub fn lines(&self, colours: bool) -> Vec<String> {
        let mut text = String::new();
        self.write(&mut text, colours);
        text.lines().map(str::to_owned).collect()
    }

    /// Writes the rows; how wide the columns are.
    fn write(&self, out: &mut String, colours: bool) -> Vec<usize> {
        let wide = |cell: &Cell| cell.text.chars().count();
        let mut widths = self.widths.clone();
        for row in &self.rows {
            widths.resize(widths.len().max(row.len()), 0);
            row.iter().zip(&mut widths).for_each(|(cell, width)| *width = wide(cell).max(*width));
        }
        // A heading stands over its numbers.
        let to_the_right =
            |column: usize| self.rows.last().and_then(|row| row.get(column)).is_some_and(|cell| cell.right);
        for row in &self.rows {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let gap = " ".repeat(widths[column] - wide(cell));
                let right = cell.right || cell.shade == Shade::Bold && to_the_right(column);
                let text = match cell.shade.code().filter(|_| colours) {
                    Some(code) => format!("\x1b[{code}m{}\x1b[0m", cell.text),
                    None => cell.text.clone(),
                };
                let last = column + 1 == row.len();
                match (right, last) {
                    (true, _) => line.extend([gap.as_str(), &text]),
                    (false, true) => line.push_str(&text),
                    (false, false) => line.extend([text.as_str(), &gap]),
                }
                if !last {
                    line.push_str("  ");
                }
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
        widths
    }
}

/// A text without what would move a terminal's cursor: names and errors come from other processes.
pub fn plain(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            clean.extend(c.escape_default());
        } else {
            clean.push(c);
        }
    }
    clean
}

/// So many things: `1 object`, `2 objects`.
pub fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// A size for people: `17 B`, `1.5 KiB`, `80.0 MiB`.
pub fn human_size(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut tenths = u128::from(bytes) * 10;
    let mut unit = "B";
    for next in ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] {
        if (tenths + 5) / 10 < 1024 {
            break;
        }
        tenths = (tenths + 512) / 1024;
        unit = next;
    }
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

/// A size for people, and to the byte.
pub fn both_sizes(bytes: u64) -> String {
    if bytes < 1024 {
        return human_size(bytes);
    }
    format!("{} ({bytes} B)", human_size(bytes))
}

/// Now, since the epoch.
pub fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// How long ago a moment (since the epoch) was, for people.
pub fn age(since: Duration) -> String {
    let seconds = now().saturating_sub(since).as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// A span of time for people.
pub fn human_time(time: Duration) -> String {
    let micros = time.as_micros();
    match micros {
        0..1000 => format!("{micros} µs"),
        1000..1_000_000 => format!("{}.{} ms", micros / 1000, micros / 100 % 10),
        _ => format!("{}.{} s", micros / 1_000_000, micros / 100_000 % 10),
    }
}

/// A moment (since the epoch) in UTC as ISO 8601 writes it, to the microsecond.
pub fn moment(since: Duration) -> String {
    let (days, rest) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    // Years that begin in March have their odd day at the end; 146 097 days are 400 years.
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let mut text = format!("{year:04}-{month:02}-{day_of_month:02}T");
    let (hours, minutes, seconds) = (rest / 3600, rest / 60 % 60, rest % 60);
    // Writing to a String cannot fail.
    let _ = write!(text, "{hours:02}:{minutes:02}:{seconds:02}.{:06}Z", since.subsec_micros());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_for_people() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (80 << 20, "80.0 MiB"),
            ((1 << 20) - 1, "1.0 MiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(human_size(bytes), text);
        }
        assert_eq!(both_sizes(2048), "2.0 KiB (2048 B)");
    }

    #[test]
    fn moments_are_dates() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_782_400, "2000-02-29T00:00:00.000000Z"),
            (951_868_800, "2000-03-01T00:00:00.000000Z"),
            (1_735_689_599, "2024-12-31T23:59:59.000000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000000Z"),
        ] {
            assert_eq!(moment(Duration::from_secs(seconds)), text);
        }
        assert_eq!(moment(Duration::from_nanos(1_000_001_999)), "1970-01-01T00:00:01.000001Z");
    }

    #[test]
    fn a_list_that_comes_bit_by_bit_is_the_same_json() {
        for values in [vec![], vec![("a\nb", vec![1])], vec![("", vec![]), ("c", vec![2, 3])]] {
            let (mut whole, mut parts) = (Output::new(), Output::new());
            whole.json(&values).unwrap();
            parts.json_list(values.into_iter().map(Ok)).unwrap();
            assert_eq!(parts.text, whole.text);
        }
    }

    #[test]
    fn a_table_that_goes_on_stays_aligned() {
        let mut output = Output { text: String::new(), colours: false };
        let mut table = Table::new(&["A", "SIZE", "B"]);
        table.row(vec![Cell::new("long name"), Cell::new("7").right(), Cell::new("x")]);
        output.rows(&mut table).unwrap();
        table.row(vec![Cell::new("b"), Cell::new("12345").right(), Cell::new("y")]);
        output.rows(&mut table).unwrap();
        table.row(vec![Cell::new("c"), Cell::new("6").right(), Cell::new("z")]);
        output.rows(&mut table).unwrap();
        let lines =
            ["A          SIZE  B", "long name     7  x", "b          12345  y", "c              6  z", ""];
        assert_eq!(output.text, lines.join("\n"));
    }

    #[test]
    fn columns_are_aligned_and_nothing_moves_the_cursor() {
        let mut table = Table::new(&["A", "SIZE", "B"]);
        table.row(vec![Cell::new("long name"), Cell::new("7").right(), Cell::new("x\x1b[2J")]);
        table.row(vec![Cell::new("é").shaded(Shade::Red), Cell::new("12345").right(), Cell::new("")]);
        let mut text = String::new();
        table.write(&mut text, false);
        assert_eq!(text, "A           SIZE  B\nlong name      7  x\\u{1b}[2J\né          12345\n");
        let mut colourful = String::new();
        table.write(&mut colourful, true);
        assert!(colourful.contains("\x1b[31mé\x1b[0m          12345"));
    }
}
