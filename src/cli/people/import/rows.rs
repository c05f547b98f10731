//! From the text of an export to people: every row checked by itself and beside the others. Pure.

use std::collections::{BTreeSet, HashMap, hash_map::Entry};

use jiff::civil::Date;

use super::{
    columns::{Columns, Field, Mapping},
    issue::Issues,
    names::{is_legal, object_name},
};
use comptroller_core::api::{
    Identities, PersonSpec,
    person::{parse_day, problem_of_username},
};

/// The most rows that are read.
const MAX_ROWS: usize = 500_000;

/// How an export is read.
#[derive(Clone, Debug, Default)]
pub struct Reading<'a> {
    /// What separates cells. None: whatever the first line has most of.
    pub delimiter: Option<u8>,
    /// The form of dates, as strptime has it.
    pub date_format: &'a str,
    pub mappings: &'a [Mapping],
}

/// Somebody of the export.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The line on which the row begins, from 1.
    pub line: u64,
    /// The name of the Person object.
    pub name: String,
    /// What the export says; the manager as it is written there until
    /// [`resolve`](super::managers::resolve) finds who it is.
    pub spec: PersonSpec,
    /// The number that HR has for them; empty if the export has none.
    pub id: String,
}

/// Everybody of an export.
#[derive(Clone, Debug, Default)]
pub struct Export {
    pub rows: Vec<Row>,
    pub columns: Columns,
}

/// What separates cells in a text: whatever its first line has most of, outside of quotes.
fn detect(text: &str) -> u8 {
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0)];
    let mut quoted = false;
    for byte in text.bytes() {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => break,
            other if !quoted => {
                for (delimiter, count) in &mut counts {
                    *count += u32::from(*delimiter == other);
                }
            }
            _ => {}
        }
    }
    // The first of those that are as frequent.
    counts.iter().rev().max_by_key(|(_, count)| *count).map_or(b',', |(delimiter, _)| *delimiter)
}

/// Reads everybody. Rows with an issue are left out, so nothing may be done unless there is none.
pub fn read(text: &str, reading: &Reading<'_>, issues: &mut Issues) -> Export {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(reading.delimiter.unwrap_or_else(|| detect(text)))
        .flexible(true)
        .has_headers(false)
        .from_reader(text.as_bytes());
    let mut record = csv::StringRecord::new();
    // Bytes that are text give records that are text, so an error has no other cause than the end.
    if !reader.read_record(&mut record).unwrap_or(false) {
        issues.push(None, "the export", "it is empty", "export the columns with their headers");
        return Export::default();
    }
    let headers: Vec<String> = record.iter().map(|header| header.trim().to_owned()).collect();
    let columns = Columns::new(headers, reading.mappings, issues);
    let mut rows = Vec::new();
    if !issues.is_empty() {
        return Export { rows, columns };
    }
    while reader.read_record(&mut record).unwrap_or(false) {
        let line = record.position().map_or(0, csv::Position::line);
        // Spreadsheets end with rows of nothing.
        if record.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        if rows.len() >= MAX_ROWS {
            let problem = format!("there are more than {MAX_ROWS} rows");
            issues.row(line, "the export", problem, "split it");
            break;
        }
        if record.len() != columns.len() {
            let problem =
                format!("the row has {} cells, and the header {}", record.len(), columns.len());
            let remedy = "look for a separator or a quote inside a cell, or name the separator with --delimiter";
            issues.row(line, "the row", problem, remedy);
            continue;
        }
        rows.extend(RowReader { line, record: &record, columns: &columns, reading }.read(issues));
    }
    if rows.is_empty() && issues.is_empty() {
        issues.push(None, "the export", "it has no row", "export the people, too");
    }
    check_names(&rows, &columns, issues);
    check_identities(&rows, &columns, issues);
    Export { rows, columns }
}

struct RowReader<'a> {
    line: u64,
    record: &'a csv::StringRecord,
    columns: &'a Columns,
    reading: &'a Reading<'a>,
}

impl RowReader<'_> {
    fn cell(&self, field: Field) -> &str {
        self.columns.cell(self.record, field)
    }

    fn issue(&self, issues: &mut Issues, field: Field, problem: impl Into<String>, remedy: &str) {
        issues.row(self.line, self.columns.header(field), problem, remedy);
    }

    /// The person of the row. None if something is wrong with it.
    fn read(&self, issues: &mut Issues) -> Option<Row> {
        let optional = |field| Some(self.cell(field).to_owned()).filter(|text| !text.is_empty());
        let display_name = self.display_name(issues);
        let usernames = self.usernames(issues);
        let start_date = self.day(Field::StartDate, issues);
        let end_date = self.day(Field::EndDate, issues);
        let name = self.name(&usernames, issues);
        let spec = PersonSpec {
            display_name: display_name?,
            email: optional(Field::Email),
            identities: Identities { usernames, groups: several(self.cell(Field::Groups)) },
            department: optional(Field::Department),
            roles: several(self.cell(Field::Roles)),
            manager: optional(Field::Manager),
            start_date: start_date?,
            end_date: end_date?,
        };
        if spec.identities.usernames.is_empty() {
            return None;
        }
        // What is left is what the API server would refuse: lengths, an end before the start.
        if let Err(invalid) = spec.validate() {
            for field in invalid.0 {
                issues.row(self.line, field.path, field.problem, field.remedy);
            }
            return None;
        }
        Some(Row { line: self.line, name: name?, spec, id: self.cell(Field::Id).to_owned() })
    }

    fn display_name(&self, issues: &mut Issues) -> Option<String> {
        let whole = self.cell(Field::DisplayName);
        let parts = [self.cell(Field::FirstName), self.cell(Field::LastName)];
        let joined = parts.join(" ");
        let name = if whole.is_empty() { joined.trim() } else { whole };
        if name.is_empty() {
            self.issue(issues, Field::DisplayName, "is empty", "write the name of the person");
            return None;
        }
        Some(name.to_owned())
    }

    /// User names: those of the column, or the address if the export has no such column.
    fn usernames(&self, issues: &mut Issues) -> Vec<String> {
        let has_column = self.columns.has(Field::Username);
        let field = if has_column { Field::Username } else { Field::Email };
        let names = if has_column {
            several(self.cell(field))
        } else {
            let email = self.cell(field);
            if email.is_empty() { Vec::new() } else { vec![email.to_owned()] }
        };
        if names.is_empty() {
            let remedy =
                "write the user name that the cluster knows the person by, or leave the row out";
            self.issue(issues, field, "is empty", remedy);
        }
        for name in &names {
            if let Some((problem, remedy)) = problem_of_username(name) {
                self.issue(issues, field, format!("{name:?} {problem}"), remedy);
                return Vec::new();
            }
        }
        names
    }

    /// A day as specs write it; `Some(None)` for an empty cell, None if it is no day.
    #[allow(clippy::option_option, reason = "an empty cell is right, and a wrong one is told")]
    fn day(&self, field: Field, issues: &mut Issues) -> Option<Option<String>> {
        let text = self.cell(field);
        if text.is_empty() {
            return Some(None);
        }
        let day = match self.reading.date_format {
            "" => parse_day(text),
            format => Date::strptime(format, text).ok(),
        };
        let day = day.filter(|day| parse_day(&day.to_string()).is_some());
        if day.is_none() {
            let (form, remedy) = match self.reading.date_format {
                "" => (
                    "YYYY-MM-DD",
                    "correct it, or give the form of the export's dates, such as --date-format %d.%m.%Y",
                ),
                format => (
                    format,
                    "correct it, or give the form of the export's dates with --date-format",
                ),
            };
            self.issue(issues, field, format!("{text:?} is not a day of the form {form}"), remedy);
        }
        day.map(|day| Some(day.to_string()))
    }

    fn name(&self, usernames: &[String], issues: &mut Issues) -> Option<String> {
        let given = self.cell(Field::Name);
        if self.columns.has(Field::Name) {
            if is_legal(given) {
                return Some(given.to_owned());
            }
            let remedy = "write lower-case letters, digits, dots and hyphens, as names of Kubernetes objects have";
            self.issue(issues, Field::Name, format!("{given:?} can't name an object"), remedy);
            return None;
        }
        let texts = [self.cell(Field::Id), self.cell(Field::Email)];
        if self.columns.has(Field::Id) && texts[0].is_empty() {
            self.issue(
                issues,
                Field::Id,
                "is empty",
                "write the number of the person, or map another column",
            );
            return None;
        }
        let text = texts.into_iter().find(|text| !text.is_empty());
        text.or(usernames.first().map(String::as_str)).map(object_name)
    }
}

/// The parts of a cell that holds several, without duplicates.
fn several(cell: &str) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let parts = cell.split([';', '|', '\n']).map(str::trim).filter(|part| !part.is_empty());
    parts.filter(|part| seen.insert((*part).to_owned())).map(str::to_owned).collect()
}

/// No two rows may make one object.
fn check_names(rows: &[Row], columns: &Columns, issues: &mut Issues) {
    let mut lines: HashMap<&str, u64> = HashMap::with_capacity(rows.len());
    let field = [Field::Name, Field::Id, Field::Email, Field::Username];
    let field = field.into_iter().find(|field| columns.has(*field)).unwrap_or(Field::Name);
    for row in rows {
        match lines.entry(&row.name) {
            Entry::Vacant(free) => drop(free.insert(row.line)),
            Entry::Occupied(taken) => issues.row(
                row.line,
                columns.header(field),
                format!("it makes the Person {}, as line {} does", row.name, taken.get()),
                "remove one of the rows, or map a column that tells them apart: --map id=COLUMN",
            ),
        }
    }
}

/// No two rows may have a user name at the same time.
fn check_identities(rows: &[Row], columns: &Columns, issues: &mut Issues) {
    let mut known: HashMap<&str, Vec<&Row>> = HashMap::with_capacity(rows.len());
    let field = if columns.has(Field::Username) { Field::Username } else { Field::Email };
    for row in rows {
        for username in &row.spec.identities.usernames {
            let others = known.entry(username).or_default();
            // The same name is told already.
            let other = others
                .iter()
                .find(|other| other.name != row.name && overlap(&other.spec, &row.spec));
            if let Some(other) = other {
                issues.row(
                    row.line,
                    columns.header(field),
                    format!(
                        "{username:?} is the user name of line {} as well, at the same time",
                        other.line
                    ),
                    "give each person a user name of their own",
                );
            }
            others.push(row);
        }
    }
}

/// Whether two people work here on at least one same day. Days are compared as they are written.
pub fn overlap(a: &PersonSpec, b: &PersonSpec) -> bool {
    let before = |a: &PersonSpec, b: &PersonSpec| {
        a.end_date.as_ref().zip(b.start_date.as_ref()).is_some_and(|(end, start)| end < start)
    };
    !before(a, b) && !before(b, a)
}

#[cfg(test)]
mod tests;
