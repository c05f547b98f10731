//! A register by the evidence log: at a time, or over a window.

use std::error::Error;

use jiff::Timestamp;

use super::{
    RegisterArgs, RegisterError,
    answer::{AnswerSource, AnswerTime, FaultRow, GapRow, ItemRow, RegisterAnswer},
    unknown,
};
use comptroller_core::registers::Register;
use comptroller_evidence::{
    fold::register_windows::{RegisterWindows, last_moment},
    key::VerifierKey,
    log::LogReader,
    replay::replay,
    store,
};

/// Reads the whole log, since a register is what all of its entries come to.
pub async fn read(args: &RegisterArgs, location: &str) -> Result<RegisterAnswer, Box<dyn Error>> {
    let key = args.key.as_deref().map(VerifierKey::from_argument).transpose()?;
    let reader = LogReader::open(store::open(location)?, key).await?;
    let (from, last) = match (args.from, args.to) {
        (Some(from), Some(to)) => (from, last_moment(to)),
        _ => (args.at.unwrap_or(Timestamp::MAX), args.at.unwrap_or(Timestamp::MAX)),
    };
    let mut windows = RegisterWindows::new(from, last);
    replay(&reader, 0..reader.size(), |index, entry| windows.apply(index, entry)).await?;
    let name = args.name.as_str();
    let Some(history) = windows.history(name) else {
        return Err(absent(name, &reader, &windows).into());
    };
    let faults = history.faults().iter();
    let faults =
        faults.map(|(entry, fault)| FaultRow { entry: *entry, fault: fault.to_string() }).collect();
    let (time, items) = if let (Some(since), Some(until)) = (args.from, args.to) {
        (AnswerTime::Within { since, until }, windows.items_within(name))
    } else {
        let at = args.at.unwrap_or_else(|| windows.end());
        (AnswerTime::At { at }, windows.items_at_end(name))
    };
    Ok(RegisterAnswer {
        register: name.to_owned(),
        source: AnswerSource::Log {
            origin: reader.origin().to_owned(),
            size: reader.size(),
            time,
            basis: Box::new(windows.basis(name)),
        },
        gaps: windows.gaps(name).into_iter().map(GapRow::new).collect(),
        faults,
        count: items.len(),
        items: items.into_iter().map(|row| ItemRow::Logged(Box::new(row))).collect(),
    })
}

/// The error for a register that the log does not have: one that it could have, or a name of none.
fn absent(name: &str, reader: &LogReader, windows: &RegisterWindows) -> RegisterError {
    if Register::find(name).is_none() {
        return unknown(name, windows.names());
    }
    RegisterError::NotKept {
        name: name.to_owned(),
        location: reader.location().to_owned(),
        known: windows.names().map(str::to_owned).collect(),
    }
}
