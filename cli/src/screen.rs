//! The terminal of a command that redraws: its size, its keys, and that it is as it was afterwards.

use std::io::{IsTerminal, Read, Write};

use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::termios::{tcgetattr, tcgetwinsize, tcsetattr, LocalModes, OptionalActions, Termios};
use sdp_dal::error::{Error, Result};

/// Clears the screen, without what has scrolled away.
const CLEAR: &str = "\x1b[H\x1b[J";

/// The terminal, if there is one.
pub struct Screen {
    terminal: bool,
    before: Option<Termios>,
}

impl Screen {
    /// Takes the terminal: the alternate screen without a cursor, keys without a line end.
    pub fn take() -> Result<Screen> {
        let terminal = std::io::stdout().is_terminal();
        let mut before = None;
        if terminal {
            write("\x1b[?1049h\x1b[?25l")?;
            if std::io::stdin().is_terminal() {
                before = tcgetattr(std::io::stdin()).ok();
            }
        }
        if let Some(modes) = &before {
            let mut keys = modes.clone();
            keys.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
            // A terminal that will not do it can still be read by lines.
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &keys);
        }
        Ok(Screen { terminal, before })
    }

    /// Whether it is a terminal.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Columns and rows.
    pub fn size(&self) -> Option<(usize, usize)> {
        let size = tcgetwinsize(std::io::stdout()).ok().filter(|_| self.terminal)?;
        (size.ws_col > 0 && size.ws_row > 0).then(|| (usize::from(size.ws_col), usize::from(size.ws_row)))
    }

    /// Draws a picture over the one before; without a terminal below it. False if the reader has closed.
    pub fn draw(&self, lines: &[String]) -> Result<bool> {
        let text = match self.size() {
            Some((width, height)) => {
                let lines: Vec<String> = lines.iter().take(height).map(|line| fit(line, width)).collect();
                format!("{CLEAR}{}", lines.join("\r\n"))
            }
            None => format!("{}\n", lines.join("\n")),
        };
        write(&text)
    }

    /// Whether the key came that ends.
    pub fn wants_to_quit(&self) -> bool {
        if self.before.is_none() {
            return false;
        }
        let stdin = std::io::stdin();
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut ready = [PollFd::new(&stdin, PollFlags::IN)];
        if !matches!(poll(&mut ready, Some(&now)), Ok(1..)) {
            return false;
        }
        let mut keys = [0; 64];
        let count = stdin.lock().read(&mut keys).unwrap_or(0);
        keys[..count].iter().any(|key| matches!(key, b'q' | b'Q'))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, before);
        }
        if self.terminal {
            let _ = write("\x1b[?25h\x1b[?1049l");
        }
    }
}

fn write(text: &str) -> Result<bool> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Error::io("writing the output", &error)),
    }
}

/// A line cut to so many columns; what colours it takes none.
fn fit(line: &str, width: usize) -> String {
    let mut cut = String::with_capacity(line.len());
    let (mut columns, mut escape) = (0, false);
    for c in line.chars() {
        if c == '\x1b' {
            escape = true;
        }
        if escape {
            cut.push(c);
            escape = c != 'm';
        } else if columns < width {
            cut.push(c);
            columns += 1;
        }
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_take_no_columns() {
        assert_eq!(fit("\x1b[31mabc\x1b[0mdef", 4), "\x1b[31mabc\x1b[0md");
        assert_eq!(fit("äöü", 2), "äö");
    }
}
