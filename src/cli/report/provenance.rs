//! What a report says of itself: where it comes from, what was verified, and whether it is whole.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::{
    ReportArgs,
    output::Format,
    wanted::{Wanted, is_over},
};
use crate::{
    evidence::{log::LogReader, replay::Replayed},
    report::period::model::{Provenance, Span},
};

/// Who runs it, and when.
#[derive(Clone, Debug)]
pub struct Run {
    /// When.
    pub now: Timestamp,
    /// Who.
    pub by: String,
}

/// What the log was checked against.
#[derive(Clone, Debug)]
pub struct Checked {
    /// How many of its entries the report rests on.
    pub size: u64,
    /// Older checkpoints that it continues, as a sentence names them.
    pub extends: Vec<String>,
}

/// The provenance of a report.
pub fn of(
    wanted: &Wanted,
    reader: &LogReader,
    checked: &Checked,
    read: &Replayed,
    run: &Run,
    args: &ReportArgs,
) -> Provenance {
    let cut = checked.size < reader.size();
    let closed = wanted.closed().filter(|_| args.log_size.is_none());
    let checkpoint = closed.and_then(|status| status.checkpoint.clone()).filter(|_| cut);
    Provenance {
        cluster: reader.origin().rsplit('/').next().unwrap_or_default().to_owned(),
        origin: reader.origin().to_owned(),
        source: args.evidence.clone(),
        checkpoint: checkpoint.unwrap_or_else(|| reader.checkpoint().to_owned()),
        verifier_key: reader.verifier_key().to_owned(),
        log_size: checked.size,
        first_entry: 0,
        verification: verification(args.key.is_some(), reader.size(), checked),
        run_at: run.now,
        run_by: run.by.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        command: command(wanted, reader, checked.size, args),
        verify_command: verify_command(reader, args),
        completeness: completeness(wanted.span, checked.size, read),
    }
}

fn verification(key_given: bool, size: u64, checked: &Checked) -> String {
    let key = if key_given {
        "the verifier key that was given"
    } else {
        "the key that lies beside the log, which whoever writes the log could have put there: compare it with one from another hand"
    };
    // Writing into a String can't fail.
    let mut said = format!(
        "The signature of the checkpoint of {size} entries was verified by {key}. Each entry that was read was hashed and is part of that checkpoint."
    );
    if checked.extends.is_empty() {
        said.push_str(" No older checkpoint was given, so the log was not shown to continue one.");
    } else {
        let _ = write!(said, " The log continues {}.", checked.extends.join(" and "));
    }
    said
}

fn completeness(span: Span, size: u64, read: &Replayed) -> String {
    let Some(latest) = read.latest else {
        return "The log has no entries, so the report says nothing.".to_owned();
    };
    let mut said =
        format!("All entries from 0 to {} were read, none left out. ", size.saturating_sub(1));
    if is_over(span, Some(latest)) {
        let _ = write!(said, "The newest is of {latest}, after the end of the period.");
    } else {
        let _ = write!(
            said,
            "The newest is of {latest}, before the end of the period: this report is not of the whole period."
        );
    }
    if let Some(first) = read.first_unresolved {
        let _ = write!(
            said,
            " The data of {} of them, the first being {first}, should lie beside the log and is missing or wrong; of the controls concerned nothing is said from then until their next entry.",
            read.unresolved
        );
    }
    said
}

/// The command that makes the report again, without a cluster.
fn command(wanted: &Wanted, reader: &LogReader, size: u64, args: &ReportArgs) -> String {
    let mut words = vec!["comptroller".to_owned(), "report".to_owned(), quoted(&wanted.name)];
    match wanted.span {
        Span::TypeI { as_of } => words.extend(["--as-of".to_owned(), as_of.to_string()]),
        Span::TypeII { from, to } => {
            words.extend([
                "--from".to_owned(),
                from.to_string(),
                "--to".to_owned(),
                to.to_string(),
            ]);
        }
    }
    let categories: Vec<&str> = wanted.categories.iter().map(|one| one.as_str()).collect();
    words.extend(["--categories".to_owned(), categories.join(",")]);
    words.extend(["--evidence".to_owned(), quoted(&args.evidence)]);
    words.extend(["--key".to_owned(), quoted(reader.verifier_key())]);
    words.extend(["--log-size".to_owned(), size.to_string()]);
    words.extend(["-o".to_owned(), args.format.name().to_owned()]);
    if args.format == Format::Sample {
        if let Some(seed) = &args.seed {
            words.extend(["--seed".to_owned(), quoted(seed)]);
        }
        words.extend(["--sizes".to_owned(), quoted(&args.sizes.to_string())]);
    }
    words.join(" ")
}

fn verify_command(reader: &LogReader, args: &ReportArgs) -> String {
    format!(
        "comptroller evidence verify {} --key {}",
        quoted(&args.evidence),
        quoted(reader.verifier_key())
    )
}

/// A word as a POSIX shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,+=@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) && !word.starts_with('-') {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_command_can_be_pasted_whatever_a_name_says() {
        assert_eq!(quoted("s3://bucket/a-b_c"), "s3://bucket/a-b_c");
        assert_eq!(quoted("a b; rm"), "'a b; rm'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted("--key"), "'--key'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn what_was_not_verified_is_said() {
        let checked = Checked { size: 7, extends: Vec::new() };
        let said = verification(false, 7, &checked);
        assert!(said.contains("lies beside the log") && said.contains("No older checkpoint"));
        let checked = Checked { extends: vec!["an older one (5 entries)".to_owned()], ..checked };
        let said = verification(true, 7, &checked);
        assert!(said.ends_with("The log continues an older one (5 entries)."), "{said}");
    }

    #[test]
    fn a_report_that_is_not_whole_says_so() {
        let span =
            Span::TypeII { from: at("2026-01-01T00:00:00Z"), to: at("2026-02-01T00:00:00Z") };
        let mut read = Replayed { latest: Some(at("2026-01-31T23:00:00Z")), ..Replayed::default() };
        assert!(completeness(span, 9, &read).contains("not of the whole period"));
        read.latest = Some(at("2026-02-01T00:00:00Z"));
        let whole = completeness(span, 9, &read);
        assert!(whole.contains("from 0 to 8") && whole.contains("after the end of the period"));
        read = Replayed { unresolved: 2, first_unresolved: Some(4), ..read };
        assert!(completeness(span, 9, &read).contains("The data of 2 of them, the first being 4"));
        assert!(completeness(span, 0, &Replayed::default()).contains("no entries"));
    }
}
