//! Resource versions of one resource: the position of its watch, and whether they go back.

/// The known versions of one resource. They are numbers that grow (KEP-5504); any other text is not
/// compared.
#[derive(Debug, Default)]
pub struct ResourceVersions {
    /// Where a watch resumes; None before the first list.
    position: Option<String>,
    highest: Option<u64>,
}

/// The highest version that was known when a consistent read was sent. Events that arrive before its
/// response may be newer than the response.
#[derive(Clone, Copy, Debug)]
pub struct HighestKnown(Option<u64>);

/// How the version of a consistent read compares with what is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionCheck {
    /// It is the position of the watch: nothing happened since.
    Unchanged,
    /// Something happened, to this resource or another, or the versions can't be compared.
    Newer,
    /// It is lower than a known one: the cluster was restored to an earlier state.
    Older,
}

impl ResourceVersions {
    /// Where a watch resumes; None if the resource must be listed first.
    pub fn position(&self) -> Option<&str> {
        self.position.as_deref()
    }

    /// To be called before a consistent read is sent.
    pub fn highest_known(&self) -> HighestKnown {
        HighestKnown(self.highest)
    }

    /// Compares the version of a consistent read. `highest` is from before it was sent.
    pub fn check(&mut self, version: &str, highest: HighestKnown) -> VersionCheck {
        let number = number(version);
        if let (Some(number), HighestKnown(Some(highest))) = (number, highest)
            && number < highest
        {
            return VersionCheck::Older;
        }
        let unchanged = self.position.as_deref() == Some(version);
        self.highest = self.highest.max(number);
        if unchanged { VersionCheck::Unchanged } else { VersionCheck::Newer }
    }

    /// Sets the position after a complete list or an event.
    pub fn set_position(&mut self, version: &str) {
        self.position = Some(version.to_owned());
        self.highest = self.highest.max(number(version));
    }

    /// Moves the position to that of an event. False if it is lower than the current position, which
    /// no working watch sends.
    pub fn advance(&mut self, version: &str) -> bool {
        let current = self.position.as_deref().and_then(number);
        if let (Some(number), Some(current)) = (number(version), current)
            && number < current
        {
            return false;
        }
        self.set_position(version);
        true
    }

    /// Drops the position: the resource must be listed before it is watched again.
    pub fn require_list(&mut self) {
        self.position = None;
    }

    /// Drops everything, after the cluster was restored to an earlier state.
    pub fn forget(&mut self) {
        *self = Self::default();
    }
}

fn number(version: &str) -> Option<u64> {
    version.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(version: &str) -> ResourceVersions {
        let mut versions = ResourceVersions::default();
        versions.set_position(version);
        versions
    }

    #[test]
    fn a_read_is_compared_with_what_was_known_when_it_was_asked_for() {
        for (position, answer, expected) in [
            ("100", "100", VersionCheck::Unchanged),
            ("100", "101", VersionCheck::Newer),
            ("100", "99", VersionCheck::Older),
            ("9", "10", VersionCheck::Newer),
            ("opaque-9", "opaque-1", VersionCheck::Newer),
            ("opaque-9", "opaque-9", VersionCheck::Unchanged),
            ("100", "opaque", VersionCheck::Newer),
        ] {
            let mut versions = at(position);
            let highest = versions.highest_known();
            assert_eq!(versions.check(answer, highest), expected, "{position} then {answer}");
        }
        let mut versions = at("100");
        let highest = versions.highest_known();
        assert!(versions.advance("105"), "an event overtakes the answer");
        assert_eq!(versions.check("103", highest), VersionCheck::Newer);
        assert_eq!(versions.check("104", versions.highest_known()), VersionCheck::Older);
    }

    #[test]
    fn what_was_read_beside_the_watch_counts() {
        let mut versions = at("100");
        assert_eq!(versions.check("150", versions.highest_known()), VersionCheck::Newer);
        assert!(versions.advance("120"), "the watch is behind the read, as it may be");
        assert_eq!(versions.check("140", versions.highest_known()), VersionCheck::Older);
    }

    #[test]
    fn a_watch_goes_forward() {
        let mut versions = at("100");
        assert!(versions.advance("100"), "a bookmark of its position");
        assert!(versions.advance("101"));
        assert!(!versions.advance("100"));
        assert_eq!(versions.position(), Some("101"));
        assert!(versions.advance("opaque"));
        assert!(versions.advance("1"), "after what is no number nothing is compared");
    }

    #[test]
    fn an_earlier_cluster_begins_anew() {
        let mut versions = at("100");
        versions.require_list();
        assert_eq!(versions.position(), None);
        assert_eq!(versions.check("90", versions.highest_known()), VersionCheck::Older);
        versions.forget();
        assert_eq!(versions.check("90", versions.highest_known()), VersionCheck::Newer);
    }
}
