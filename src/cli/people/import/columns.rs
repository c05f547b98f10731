//! Which column of an export is what. Pure.

use std::collections::BTreeMap;

use super::issue::Issues;

macro_rules! fields {
    ($($field:ident = $name:literal => [$($column:literal),+],)+) => {
        /// What a column can be.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Field { $($field,)+ }

        impl Field {
            const ALL: &'static [Self] = &[$(Self::$field,)+];

            /// The name in `--map`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$field => $name,)+ }
            }

            /// Columns that are taken for it, in lower case and without anything but letters and digits.
            const fn columns(self) -> &'static [&'static str] {
                match self { $(Self::$field => &[$($column),+],)+ }
            }
        }
    };
}

fields! {
    Name = "name" => ["personname", "objectname"],
    Id = "id" => ["id", "employeeid", "employeenumber", "personid", "personnelnumber", "workerid"],
    DisplayName = "displayName" => ["displayname", "fullname", "name", "employeename", "worker"],
    FirstName = "firstName" => ["firstname", "givenname", "forename", "preferredfirstname"],
    LastName = "lastName" => ["lastname", "surname", "familyname"],
    Email = "email" => ["email", "emailaddress", "mail", "workemail", "businessemail"],
    Username = "username" => ["username", "usernames", "login", "userprincipalname", "upn", "account"],
    Groups = "groups" => ["groups", "group"],
    Department = "department" => ["department", "departmentname", "team", "costcenter", "division"],
    Roles = "roles" => ["roles", "role", "jobtitle", "title", "position"],
    Manager = "manager" => ["manager", "managerid", "manageremail", "reportsto", "supervisor", "linemanager"],
    StartDate = "startDate" => ["startdate", "start", "hiredate", "joined", "entrydate", "dateofhire"],
    EndDate = "endDate" => ["enddate", "end", "terminationdate", "left", "exitdate", "lastday", "leavingdate"],
}

/// A `--map field=Column`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    pub field: Field,
    pub column: String,
}

/// Parses `field=Column`.
pub fn parse_mapping(text: &str) -> Result<Mapping, String> {
    let (field, column) = text
        .split_once('=')
        .filter(|(_, column)| !column.trim().is_empty())
        .ok_or("write field=Column, such as department=\"Cost center\"")?;
    let found = Field::ALL.iter().copied().find(|known| known.as_str() == field.trim());
    let names: Vec<&str> = Field::ALL.iter().map(|field| field.as_str()).collect();
    let field = found.ok_or_else(|| {
        format!("{field:?} is not a field of a Person; write one of {}", names.join(", "))
    })?;
    Ok(Mapping { field, column: column.trim().to_owned() })
}

/// Where each field is in a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    positions: BTreeMap<Field, usize>,
    headers: Vec<String>,
}

impl Columns {
    /// The columns by their headers: those that are mapped, and others by their usual names.
    pub fn new(headers: Vec<String>, mappings: &[Mapping], issues: &mut Issues) -> Self {
        let mut positions = BTreeMap::new();
        for Mapping { field, column } in mappings {
            let option = format!("--map {}={column}", field.as_str());
            let found: Vec<usize> = positions_of(&headers, |header| header == column);
            match found.as_slice() {
                [] => issues.push(
                    Some(1),
                    option,
                    "the export has no such column",
                    format!("write one of {}", listed(&headers)),
                ),
                [only] if !positions.contains_key(field) => {
                    positions.insert(*field, *only);
                }
                [_] => issues.push(None, option, "the field is mapped twice", "map it once"),
                _ => issues.push(
                    Some(1),
                    option,
                    "the export has several columns of that name",
                    "rename all but one",
                ),
            }
        }
        let taken: Vec<usize> = positions.values().copied().collect();
        for field in Field::ALL {
            if positions.contains_key(field) || mappings.iter().any(|one| one.field == *field) {
                continue;
            }
            // The usual names in the order of how much they say.
            let found = field.columns().iter().find_map(|usual| {
                let found = positions_of(&headers, |header| plain(header) == *usual);
                found.first().copied().filter(|at| !taken.contains(at))
            });
            positions.extend(found.map(|at| (*field, at)));
        }
        let columns = Self { positions, headers };
        columns.check(issues);
        columns
    }

    fn check(&self, issues: &mut Issues) {
        let mut missing = |field: &str, what: &str| {
            issues.push(
                Some(1),
                field,
                format!("no column has {what}: there are {}", listed(&self.headers)),
                format!("name it with --map {field}=COLUMN"),
            );
        };
        let has_both = self.has(Field::FirstName) && self.has(Field::LastName);
        if !self.has(Field::DisplayName) && !has_both {
            missing("displayName", "the name that people know somebody by");
        }
        if !self.has(Field::Username) && !self.has(Field::Email) {
            missing("username", "the user name that the cluster knows somebody by");
        }
    }

    /// Whether the export has a field.
    pub fn has(&self, field: Field) -> bool {
        self.positions.contains_key(&field)
    }

    /// The cell of a row; empty if the export does not have the field.
    pub fn cell<'r>(&self, row: &'r csv::StringRecord, field: Field) -> &'r str {
        let cell = self.positions.get(&field).and_then(|at| row.get(*at));
        cell.unwrap_or_default().trim()
    }

    /// The name of the column, for messages; that of the field if the export does not have it.
    pub fn header(&self, field: Field) -> String {
        let header = self.positions.get(&field).and_then(|at| self.headers.get(*at));
        header.map_or_else(|| field.as_str().to_owned(), |header| format!("column {header}"))
    }

    /// How many columns there are.
    pub fn len(&self) -> usize {
        self.headers.len()
    }
}

fn positions_of(headers: &[String], is: impl Fn(&str) -> bool) -> Vec<usize> {
    headers.iter().enumerate().filter(|(_, header)| is(header)).map(|(at, _)| at).collect()
}

fn plain(header: &str) -> String {
    header.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn listed(headers: &[String]) -> String {
    const SHOWN: usize = 30;
    let mut names: Vec<String> =
        headers.iter().take(SHOWN).map(|header| header.chars().take(64).collect()).collect();
    if headers.len() > SHOWN {
        names.push(format!("and {} more", headers.len() - SHOWN));
    }
    names.join(", ")
}
