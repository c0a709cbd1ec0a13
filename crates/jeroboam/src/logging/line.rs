//! The parts of a line that each answer writes, in the form that `tracing_subscriber` gives them but without its cost:
//! the access log has more lines than all the rest.

use std::cell::Cell;
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use chrono::DateTime;
use tracing::field::{Field, Visit};
use tracing_subscriber::field::{RecordFields, VisitOutput as _};
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{DefaultVisitor, Writer};
use tracing_subscriber::fmt::time::FormatTime;

/// Bytes of a moment up to its seconds.
const SECONDS_LENGTH: usize = "2026-01-31T12:34:56".len();

/// The present moment, in UTC with microseconds.
pub struct Clock;

thread_local! {
    /// The second that was written last, and its text.
    static SECOND: Cell<(u64, [u8; SECONDS_LENGTH])> = const { Cell::new((u64::MAX, [0; SECONDS_LENGTH])) };
}

impl FormatTime for Clock {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_err(|_| fmt::Error)?;
        let (mut second, mut text) = SECOND.get();
        if second != now.as_secs() {
            second = now.as_secs();
            let moment = i64::try_from(second)
                .ok()
                .and_then(|secs| DateTime::from_timestamp(secs, 0));
            let written = moment.ok_or(fmt::Error)?.format("%Y-%m-%dT%H:%M:%S").to_string();
            text = written.as_bytes().try_into().map_err(|_| fmt::Error)?;
            SECOND.set((second, text));
        }
        let mut end = *b".000000Z";
        let mut rest = now.subsec_micros();
        for digit in end[1..7].iter_mut().rev() {
            *digit += u8::try_from(rest % 10).unwrap_or_default();
            rest /= 10;
        }
        for part in [&text[..], &end] {
            writer.write_str(std::str::from_utf8(part).map_err(|_| fmt::Error)?)?;
        }
        Ok(())
    }
}

/// Fields of events and spans.
pub struct Fields;

impl<'writer> FormatFields<'writer> for Fields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut visitor = Visitor {
            writer,
            is_empty: true,
            result: Ok(()),
        };
        fields.record(&mut visitor);
        visitor.result
    }
}

struct Visitor<'writer> {
    writer: Writer<'writer>,
    is_empty: bool,
    result: fmt::Result,
}

impl Visitor<'_> {
    /// As `tracing_subscriber` writes it.
    fn usual(&mut self, record: impl FnOnce(&mut DefaultVisitor<'_>)) {
        if self.result.is_ok() {
            let mut visitor = DefaultVisitor::new(self.writer.by_ref(), self.is_empty);
            record(&mut visitor);
            self.result = visitor.finish();
            self.is_empty = false;
        }
    }

    fn quick(&mut self, field: &Field, write: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        if self.result.is_ok() {
            self.result = self.begin(field).and_then(|()| write(&mut self.writer));
            self.is_empty = false;
        }
    }

    fn begin(&mut self, field: &Field) -> fmt::Result {
        if !self.is_empty {
            self.writer.write_str(" ")?;
        }
        self.writer.write_str(field.name())?;
        self.writer.write_str("=")
    }
}

/// Fields whose name is not written, or not as it is.
fn is_special(field: &Field) -> bool {
    let name = field.name();
    name == "message" || name.starts_with("log.") || name.starts_with("r#")
}

impl Visit for Visitor<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
        if is_special(field) || !value.bytes().all(is_plain) {
            return self.usual(|visitor| visitor.record_str(field, value));
        }
        self.quick(field, |writer| {
            ["\"", value, "\""]
                .into_iter()
                .try_for_each(|part| writer.write_str(part))
        });
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if is_special(field) {
            return self.usual(|visitor| visitor.record_u64(field, value));
        }
        self.quick(field, |writer| write!(writer, "{value}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.usual(|visitor| visitor.record_error(field, value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.usual(|visitor| visitor.record_debug(field, value));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, PoisonError};

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Kept {
        fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            kept.extend_from_slice(line);
            Ok(line.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Kept {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    fn say() {
        let error = anyhow::anyhow!("inner").context("outer");
        let error: &(dyn std::error::Error + 'static) = error.as_ref();
        let span = tracing::info_span!("work", cluster.id = "c\"1", fence = 7);
        let _entered = span.entered();
        tracing::info!(
            method = %"GET",
            path = "/plain path",
            odd = "quote \" back \\ line \n \u{1b}[31m \u{e9}",
            r#type = "raw",
            number = 18_u16,
            less = -3,
            part = 0.5,
            yes = true,
            none = Option::<&str>::None,
            error,
            debug = ?["x"],
            "said \u{1b}[0m"
        );
        tracing::warn!("only a message");
        tracing::error!(status = 500_u64);
    }

    #[test]
    fn lines_are_those_of_tracing_subscriber() {
        let (own, theirs) = (Kept::default(), Kept::default());
        let builder = || tracing_subscriber::fmt().with_ansi(false);
        let subscriber = builder()
            .without_time()
            .with_writer(own.clone())
            .fmt_fields(Fields)
            .finish();
        tracing::subscriber::with_default(subscriber, say);
        let subscriber = builder().without_time().with_writer(theirs.clone()).finish();
        tracing::subscriber::with_default(subscriber, say);
        let text = |kept: &Kept| String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert!(text(&own).contains("path=\"/plain path\" odd="), "{}", text(&own));
        assert_eq!(text(&own), text(&theirs));
    }

    #[test]
    fn moments_are_written_with_microseconds() {
        let mut text = String::new();
        let before = chrono::Utc::now();
        Clock.format_time(&mut Writer::new(&mut text)).unwrap();
        assert_eq!(text.len(), "2026-01-31T12:34:56.123456Z".len(), "{text}");
        let written = DateTime::parse_from_rfc3339(&text).unwrap();
        let late = written.to_utc() - before;
        assert!(
            late.num_microseconds()
                .is_some_and(|late| (-1..10_000_000).contains(&late))
        );
    }
}
