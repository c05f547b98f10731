//! Resource versions of one resource: where its watch stands, and whether they go back.

/// What is known of the versions of one resource. They are numbers that grow (KEP-5504); any other
/// text is never compared.
#[derive(Debug, Default)]
pub struct Versions {
    position: Option<String>,
    highest: Option<u64>,
}

/// The highest version that was known when a consistent read was asked for. What arrives while it is
/// under way may be newer than its answer.
#[derive(Clone, Copy, Debug)]
pub struct Floor(Option<u64>);

/// What the version of a consistent read says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// Where the watch stands: nothing happened since.
    Same,
    /// Something happened, of this resource or of another, or it can't be said.
    Ahead,
    /// Lower than what was known: the cluster is an earlier one.
    Back,
}

impl Versions {
    /// Where a watch goes on; None when the resource must be listed first.
    pub fn position(&self) -> Option<&str> {
        self.position.as_deref()
    }

    /// To be taken before a consistent read is asked for.
    pub fn floor(&self) -> Floor {
        Floor(self.highest)
    }

    /// A consistent read answered with this version.
    pub fn read(&mut self, version: &str, floor: Floor) -> Read {
        let number = number(version);
        if let (Some(number), Floor(Some(floor))) = (number, floor)
            && number < floor
        {
            return Read::Back;
        }
        let same = self.position.as_deref() == Some(version);
        self.highest = self.highest.max(number);
        if same { Read::Same } else { Read::Ahead }
    }

    /// A list is complete: a watch goes on from its version.
    pub fn stand_at(&mut self, version: &str) {
        self.position = Some(version.to_owned());
        self.highest = self.highest.max(number(version));
    }

    /// The watch spoke. False when its version is lower than where it stood, which a watch never
    /// says of itself.
    pub fn advance(&mut self, version: &str) -> bool {
        let stood = self.position.as_deref().and_then(number);
        if let (Some(number), Some(stood)) = (number(version), stood)
            && number < stood
        {
            return false;
        }
        self.stand_at(version);
        true
    }

    /// The resource must be listed before it is watched again.
    pub fn list_anew(&mut self) {
        self.position = None;
    }

    /// The cluster is an earlier one: nothing that is known says what its versions are.
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

    fn at(version: &str) -> Versions {
        let mut versions = Versions::default();
        versions.stand_at(version);
        versions
    }

    #[test]
    fn a_read_is_compared_with_what_was_known_when_it_was_asked_for() {
        for (stands, answer, expected) in [
            ("100", "100", Read::Same),
            ("100", "101", Read::Ahead),
            ("100", "99", Read::Back),
            ("9", "10", Read::Ahead),
            ("opaque-9", "opaque-1", Read::Ahead),
            ("opaque-9", "opaque-9", Read::Same),
            ("100", "opaque", Read::Ahead),
        ] {
            let mut versions = at(stands);
            let floor = versions.floor();
            assert_eq!(versions.read(answer, floor), expected, "{stands} then {answer}");
        }
        let mut versions = at("100");
        let floor = versions.floor();
        assert!(versions.advance("105"), "an event overtakes the answer");
        assert_eq!(versions.read("103", floor), Read::Ahead);
        assert_eq!(versions.read("104", versions.floor()), Read::Back);
    }

    #[test]
    fn what_was_read_beside_the_watch_counts() {
        let mut versions = at("100");
        assert_eq!(versions.read("150", versions.floor()), Read::Ahead);
        assert!(versions.advance("120"), "the watch is behind the read, as it may be");
        assert_eq!(versions.read("140", versions.floor()), Read::Back);
    }

    #[test]
    fn a_watch_goes_forward() {
        let mut versions = at("100");
        assert!(versions.advance("100"), "a bookmark of where it stands");
        assert!(versions.advance("101"));
        assert!(!versions.advance("100"));
        assert_eq!(versions.position(), Some("101"));
        assert!(versions.advance("opaque"));
        assert!(versions.advance("1"), "after what is no number nothing is compared");
    }

    #[test]
    fn an_earlier_cluster_begins_anew() {
        let mut versions = at("100");
        versions.list_anew();
        assert_eq!(versions.position(), None);
        assert_eq!(versions.read("90", versions.floor()), Read::Back);
        versions.forget();
        assert_eq!(versions.read("90", versions.floor()), Read::Ahead);
    }
}
