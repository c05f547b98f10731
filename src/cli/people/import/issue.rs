//! What is wrong with an export: where, what, and what to do. Pure.

use std::fmt;

/// How many issues are told one by one.
pub const TOLD: usize = 20;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// The line of the file on which the row begins, from 1. None for what is not about one row.
    pub line: Option<u64>,
    /// The column of the export, or the option of the command.
    pub field: String,
    pub problem: String,
    /// What to do, as an imperative.
    pub remedy: String,
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}, ")?;
        }
        write!(f, "{}: {}; {}", self.field, self.problem, self.remedy)
    }
}

/// Everything that is wrong: the first of it, and how much there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Issues {
    told: Vec<Issue>,
    count: usize,
}

impl Issues {
    /// Adds an issue about a row.
    pub fn row(
        &mut self,
        line: u64,
        field: impl Into<String>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.push(Some(line), field, problem, remedy);
    }

    /// Adds an issue about no single row.
    pub fn push(
        &mut self,
        line: Option<u64>,
        field: impl Into<String>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.count += 1;
        // A file with another separator has one issue a row: what is told is bounded.
        if self.told.len() < TOLD {
            let (field, problem, remedy) = (field.into(), problem.into(), remedy.into());
            self.told.push(Issue { line, field, problem, remedy });
        }
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl fmt::Display for Issues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, issue) in self.told.iter().enumerate() {
            if position > 0 {
                f.write_str("\n")?;
            }
            issue.fmt(f)?;
        }
        if self.count > self.told.len() {
            write!(f, "\nand {} more", self.count - self.told.len())?;
        }
        Ok(())
    }
}
