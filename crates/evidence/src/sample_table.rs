//! The tables that auditors size samples by, by name. Firms differ: these are two of them, and rows of one's
//! own are a third.

use std::{fmt, str::FromStr};

use crate::sample::{SizeTable, SizeTableError};

/// How often a control is performed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frequency {
    Yearly,
    Quarterly,
    Monthly,
    Weekly,
    Daily,
    /// What a program does whenever something changes.
    ManyADay,
}

impl Frequency {
    /// Of a control that is performed every so many months. What lies between two rows of the table takes
    /// the larger sample.
    pub fn of_months(months: i64) -> Self {
        match months {
            ..=1 => Self::Monthly,
            2..=11 => Self::Quarterly,
            12.. => Self::Yearly,
        }
    }

    /// How many are drawn of what is performed so often.
    fn rows(self) -> &'static str {
        match self {
            Self::Yearly => "1",
            Self::Quarterly | Self::Monthly => "2",
            Self::Weekly => "5",
            Self::Daily => "25",
            Self::ManyADay => "40",
        }
    }
}

/// A table of sample sizes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SampleTable {
    /// By the size of the population: all of up to 4, 5 of up to 50, a tenth of up to 250, and 25 beyond.
    #[default]
    BySize,
    /// By how often the control is performed.
    ByFrequency,
    /// What is performed when it is asked for: 8 of up to 50, 15 of up to 250, and 25 beyond.
    AdHoc,
    /// Rows that somebody gave.
    Own(SizeTable),
}

/// The names of the tables.
const BY_SIZE: &str = "by-size";
const BY_FREQUENCY: &str = "by-frequency";
const AD_HOC: &str = "ad-hoc";

impl SampleTable {
    /// How many are drawn from the population of a control that is performed so often.
    pub fn sizes(&self, frequency: Frequency) -> SizeTable {
        let rows = match self {
            Self::BySize => return SizeTable::default(),
            Self::Own(table) => return table.clone(),
            Self::ByFrequency => frequency.rows(),
            Self::AdHoc => "50:8,250:15,25",
        };
        // The rows are right, as a test says.
        rows.parse().unwrap_or_default()
    }
}

/// As [`FromStr`] reads it. That of the default is given by its rows, so that it is drawn again whatever a
/// later version has under the name.
impl fmt::Display for SampleTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BySize => SizeTable::default().fmt(f),
            Self::ByFrequency => f.write_str(BY_FREQUENCY),
            Self::AdHoc => f.write_str(AD_HOC),
            Self::Own(table) => table.fmt(f),
        }
    }
}

impl FromStr for SampleTable {
    type Err = SampleTableError;

    fn from_str(text: &str) -> Result<Self, SampleTableError> {
        Ok(match text {
            BY_SIZE => Self::BySize,
            BY_FREQUENCY => Self::ByFrequency,
            AD_HOC => Self::AdHoc,
            rows => match rows.parse::<SizeTable>()? {
                table if table == SizeTable::default() => Self::BySize,
                table => Self::Own(table),
            },
        })
    }
}

/// Why a text is neither the name of a table nor its rows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is none of the tables by-size, by-frequency and ad-hoc, and no rows of one: {0}")]
pub struct SampleTableError(#[from] SizeTableError);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_table_of_the_trade_gives_its_sizes() {
        use Frequency::{Daily, ManyADay, Monthly, Quarterly, Weekly, Yearly};
        for (frequency, size) in
            [(Yearly, 1), (Quarterly, 2), (Monthly, 2), (Weekly, 5), (Daily, 25), (ManyADay, 40)]
        {
            let table: SampleTable = "by-frequency".parse().unwrap();
            assert_eq!(table.sizes(frequency).size(1_000), size, "{frequency:?}");
            assert_eq!(table.sizes(frequency).size(1), 1, "{frequency:?}");
        }
        for (population, by_size, ad_hoc) in
            [(3, 3, 3), (4, 4, 4), (30, 5, 8), (200, 20, 15), (1_000, 25, 25)]
        {
            let sizes = |name: &str| name.parse::<SampleTable>().unwrap().sizes(Monthly);
            assert_eq!(sizes("by-size").size(population), by_size, "{population}");
            assert_eq!(sizes("ad-hoc").size(population), ad_hoc, "{population}");
            assert_eq!(sizes("7").size(population), population.min(7), "{population}");
        }
    }

    #[test]
    fn a_table_reads_back_as_it_is_written() {
        for text in ["by-size", "by-frequency", "ad-hoc", "9:3,7"] {
            let table: SampleTable = text.parse().unwrap();
            assert_eq!(table.to_string().parse(), Ok(table));
        }
        let error = "by-luck".parse::<SampleTable>().unwrap_err().to_string();
        assert!(error.contains("by-frequency") && error.contains("by-luck"), "{error}");
        let months = [1, 2, 3, 6, 12, 24].map(Frequency::of_months);
        let (q, y) = (Frequency::Quarterly, Frequency::Yearly);
        assert_eq!(months, [Frequency::Monthly, q, q, q, y, y]);
    }
}
