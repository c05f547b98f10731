//! Registers of a log that is verified: each entry must lead to the total and the digest that it says.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::{
    data::StoredData,
    entry::{Data, Entry, EntryType},
    fold::RegisterState,
    log::{LogError, LogReader},
    register::RegisterData,
};

/// An entry of a register.
pub struct RegisterEntry {
    pub index: u64,
    at: Timestamp,
    register: String,
    said: Said,
}

enum Said {
    Here(Box<RegisterData>),
    /// Beside the log, by its digest.
    Beside(String),
}

impl RegisterEntry {
    /// None of an entry that is about no register.
    pub fn of(index: u64, entry: Entry) -> Option<Self> {
        let Entry { at, subject, data, .. } = entry;
        let said = match data {
            Data::Register(data) => Said::Here(data),
            Data::Stored(EntryType::Register, StoredData { stored, .. }) => Said::Beside(stored),
            _ => return None,
        };
        Some(Self { index, at, register: subject.name, said })
    }
}

/// The registers up to an entry.
#[derive(Default)]
pub struct FollowedRegisters(BTreeMap<String, RegisterState>);

impl FollowedRegisters {
    /// Takes in an entry. The inner error says how it does not follow from those before it.
    pub async fn follow(
        &mut self,
        log: &LogReader,
        entry: RegisterEntry,
    ) -> Result<Result<(), String>, LogError> {
        let RegisterEntry { index, at, register, said } = entry;
        let data = match said {
            Said::Here(data) => data,
            Said::Beside(digest) => {
                let bytes = log.stored(&digest).await?;
                match serde_json::from_slice(&bytes) {
                    Ok(data) => data,
                    Err(error) => {
                        let what = "what is stored for it is not of a register";
                        return Ok(Err(format!("{what}: {error}")));
                    }
                }
            }
        };
        let state = self.0.entry(register.clone()).or_default();
        let applied = state.apply(index, at, &data);
        Ok(applied.map_err(|fault| {
            format!(
                "it does not follow from the entries of the register {register} before it: {fault}"
            )
        }))
    }
}
