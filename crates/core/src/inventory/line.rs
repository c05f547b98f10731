//! Objects as lines of canonical JSON: all that is kept of one, written so that it can be read back
//! and judged again.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{Facts, Object, ProgramId, ProgramResult, ProjectedObject, Symbol};

/// Why a line can't be read back.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// It has another form: another version wrote it, or somebody else.
    #[error("it is not a line of facts that this version reads: {0}")]
    Json(#[from] serde_json::Error),
    /// A program of the list did not judge this object.
    #[error("it lacks what the program {0} said of the object")]
    NoResult(ProgramId),
}

#[derive(Serialize)]
struct WrittenLine<'a> {
    /// What programs said: at first there were those of `cel` tests only.
    cel: BTreeMap<String, &'a ProgramResult>,
    facts: &'a Facts,
    name: &'a Symbol,
    namespace: &'a Symbol,
    uid: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadLine {
    cel: BTreeMap<String, ProgramResult>,
    facts: Facts,
    name: Symbol,
    namespace: Symbol,
    uid: Option<Box<str>>,
}

/// The line of an object, judged by these programs, to be written as JSON: `{"cel":{...},
/// "facts":{...},"name":...,"namespace":...,"uid":...}`. It names people as the cluster does.
pub fn of<'a>(object: &'a Object, programs: &[ProgramId]) -> impl Serialize + use<'a> {
    let results = programs.iter().zip(&object.results);
    WrittenLine {
        cel: results.map(|(program, result)| (program.to_string(), result)).collect(),
        facts: &object.facts,
        name: &object.name,
        namespace: &object.namespace,
        uid: object.uid.as_deref(),
    }
}

/// The object of a line, with what these programs said of it, in their order.
pub fn parse(line: &[u8], programs: &[ProgramId]) -> Result<ProjectedObject, LineError> {
    let ReadLine { mut cel, facts, name, namespace, uid } = serde_json::from_slice(line)?;
    let result =
        |program: &ProgramId| cel.remove(&program.to_string()).ok_or(LineError::NoResult(*program));
    let cel = programs.iter().map(result).collect::<Result<_, _>>()?;
    // What weighs too much was refused before it was written.
    Ok(ProjectedObject { namespace, name, uid, facts, results: cel, weight: 0 })
}

/// As 16 hexadecimal digits.
impl fmt::Display for ProgramId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for ProgramId {
    type Err = std::num::ParseIntError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self)
    }
}

#[cfg(test)]
mod tests;
