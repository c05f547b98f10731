//! Log lines on standard error: one line for each event, whatever its fields contain.

use std::{
    fmt::Write as _,
    io::{self, Write},
};

use tracing_subscriber::{
    EnvFilter,
    filter::{FromEnvError, LevelFilter},
    fmt::MakeWriter,
    util::{SubscriberInitExt, TryInitError},
};

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// `RUST_LOG` can't be parsed.
    #[error(
        "RUST_LOG is not a valid filter: {0}; write a level, or levels by module, such as info,kube=debug"
    )]
    Filter(#[from] FromEnvError),
    /// The process has a subscriber already.
    #[error("logging was set up twice in one process: {0}; call it once, from main")]
    Twice(#[from] TryInitError),
}

/// The default filter. The client logs for each request, and the watcher for each attempt, what
/// [`Outages`](super::Outages) logs once and with a remedy.
const DEFAULT: &str = "info,kube_client::client=off,kube_runtime::watcher=error";

/// The client logs objects that it can't parse in full, with everything people wrote into them. They are
/// shown only if the filter names the client explicitly.
const CLIENT: &str = "kube_client";

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// JSON, for log pipelines to parse.
    Json,
    /// Text, for people to read.
    Text,
}

/// Sets up log lines on standard error for the whole process. `RUST_LOG` filters; without it, `info` and
/// above is logged.
///
/// # Errors
/// If `RUST_LOG` can't be parsed, or logging was set up before.
pub fn init(format: LogFormat) -> Result<(), LoggingError> {
    let builder = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into());
    let given = std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_default();
    let filter =
        if given.is_empty() { builder.parse_lossy(DEFAULT) } else { builder.from_env()? };
    let filter = match format!("{CLIENT}::client=off").parse() {
        Ok(quiet) if !given.contains(CLIENT) => filter.add_directive(quiet),
        _ => filter,
    };
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(OneLineWriters(io::stderr))
        // Colours are control characters, which are escaped below.
        .with_ansi(false);
    if format == LogFormat::Json {
        lines.json().flatten_event(true).with_span_list(false).finish().try_init()?;
    } else {
        lines.finish().try_init()?;
    }
    Ok(())
}

/// Makes writers that keep each event on one line, without characters that control terminals.
struct OneLineWriters<M>(M);

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for OneLineWriters<M> {
    type Writer = EscapingWriter<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        EscapingWriter(self.0.make_writer())
    }
}

/// Takes one event per call, which is how the formatter writes.
struct EscapingWriter<W>(W);

impl<W: Write> Write for EscapingWriter<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        self.0.write_all(escape(&String::from_utf8_lossy(event)).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Escapes as JSON does, so that JSON lines stay valid and text lines stay readable.
fn escape(event: &str) -> String {
    let (line, end) = match event.strip_suffix('\n') {
        Some(line) => (line, "\n"),
        None => (event, ""),
    };
    let mut escaped = String::with_capacity(event.len());
    for c in line.chars() {
        match c {
            '\n' => escaped.push_str("\\n"),
            '\t' => escaped.push_str("\\t"),
            c if c.is_control() || reorders(c) => {
                // Writing to a String can't fail.
                let _ = write!(escaped, "\\u{:04x}", u32::from(c));
            }
            c => escaped.push(c),
        }
    }
    escaped + end
}

/// Line separators and bidirectional formatting characters (Unicode UAX #9), which can make a line look
/// like another one. All are in the basic plane.
fn reorders(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const HOSTILE: &str = "a\nFAKE \u{1b}[31mred\u{9b}1m\u{7f}\r\u{202e}evil";

    fn logged(json: bool) -> String {
        let captured = Captured::default();
        let out = captured.clone();
        let lines = tracing_subscriber::fmt()
            .with_writer(OneLineWriters(move || out.clone()))
            .with_ansi(false);
        let emit = || tracing::info!(name = HOSTILE, shown = %HOSTILE, "said {HOSTILE}");
        if json {
            tracing::subscriber::with_default(lines.json().flatten_event(true).finish(), emit);
        } else {
            tracing::subscriber::with_default(lines.finish(), emit);
        }
        let bytes = captured.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn an_event_is_one_line_without_control_characters() {
        for json in [false, true] {
            let text = logged(json);
            let line = text.strip_suffix('\n').unwrap();
            assert!(line.contains("FAKE"), "{line}");
            assert!(!line.chars().any(|c| c.is_control() || reorders(c)), "{line:?}");
        }
    }

    #[test]
    fn json_contains_the_original_text() {
        let event: serde_json::Value = serde_json::from_str(&logged(true)).unwrap();
        assert_eq!(event["name"], HOSTILE);
        assert_eq!(event["shown"], HOSTILE);
        assert_eq!(event["level"], "INFO");
    }
}
