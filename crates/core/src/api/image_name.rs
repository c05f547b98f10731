//! The grammar of image names (github.com/distribution/reference), for the references of pods and
//! for the patterns of controls.

/// The registry of a name without one.
pub(crate) const DEFAULT_REGISTRY: &str = "docker.io";
/// Another name of it.
pub(crate) const LEGACY_REGISTRY: &str = "index.docker.io";
/// The folder of its official images.
pub(crate) const DEFAULT_FOLDER: &str = "library/";

/// One character of every class that the grammar tells apart.
const ALPHABET: [char; 11] = ['a', 'z', '0', '.', '_', '-', '/', ':', '[', ']', 'A'];

/// How far a text has been read as the path of an image in its registry, with its tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum InPath {
    Start,
    Word,
    Dot,
    Underscore,
    Underscores,
    Dashes,
    TagStart,
    Tag,
}

impl InPath {
    fn step(self, c: char) -> Option<Self> {
        let word = c.is_ascii_lowercase() || c.is_ascii_digit();
        Some(match (self, c) {
            (Self::Tag, '.' | '-') => Self::Tag,
            (Self::TagStart | Self::Tag, c) if c.is_ascii_alphanumeric() || c == '_' => Self::Tag,
            // A tag ends the name, so nothing else may follow, not even a slash.
            (Self::TagStart | Self::Tag, _) => return None,
            (_, _) if word => Self::Word,
            (Self::Word, '/') => Self::Start,
            (Self::Word, ':') => Self::TagStart,
            (Self::Word, '.') => Self::Dot,
            (Self::Word, '_') => Self::Underscore,
            (Self::Underscore, '_') => Self::Underscores,
            (Self::Word | Self::Dashes, '-') => Self::Dashes,
            _ => return None,
        })
    }
}

/// How far a text has been read as a registry's host and port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum InHost {
    Start,
    Label,
    LabelStart,
    Dashes,
    Address,
    AddressEnd,
    PortStart,
    Port,
}

impl InHost {
    fn step(self, c: char) -> Option<Self> {
        Some(match (self, c) {
            (Self::PortStart | Self::Port, c) if c.is_ascii_digit() => Self::Port,
            (Self::Start, '[') => Self::Address,
            (Self::Address, ']') => Self::AddressEnd,
            (Self::Address, c) if c.is_ascii_hexdigit() || c == ':' => Self::Address,
            (Self::Label | Self::AddressEnd, ':') => Self::PortStart,
            (Self::Label, '.') => Self::LabelStart,
            (Self::Label | Self::Dashes, '-') => Self::Dashes,
            (Self::Start | Self::LabelStart | Self::Label | Self::Dashes, c)
                if c.is_ascii_alphanumeric() =>
            {
                Self::Label
            }
            _ => return None,
        })
    }

    fn ends(self) -> bool {
        matches!(self, Self::Label | Self::AddressEnd | Self::Port)
    }
}

/// Whether a text is the path of an image in its registry, without tag and digest.
pub(crate) fn is_path(text: &str) -> bool {
    text.chars().try_fold(InPath::Start, InPath::step) == Some(InPath::Word)
}

/// Whether a text is a tag.
pub(crate) fn is_tag(text: &str) -> bool {
    text.len() <= 128 && text.chars().try_fold(InPath::TagStart, InPath::step) == Some(InPath::Tag)
}

/// Whether a text is the host of a registry, with its port where it has one.
pub(crate) fn is_host(text: &str) -> bool {
    text.chars().try_fold(InHost::Start, InHost::step).is_some_and(InHost::ends)
}

/// Whether some host fits a pattern of `*` and `?`.
pub(crate) fn some_host_fits(pattern: &str) -> bool {
    fits(pattern, InHost::Start, InHost::step, InHost::ends)
}

/// Whether some path, with or without a tag, fits a pattern of `*` and `?`.
pub(crate) fn some_path_fits(pattern: &str) -> bool {
    let ends = |state| matches!(state, InPath::Word | InPath::Tag);
    fits(pattern, InPath::Start, InPath::step, ends)
}

/// Walks pattern and grammar together; every pair of places is visited once.
fn fits<S: Copy + Eq + std::hash::Hash>(
    pattern: &str,
    start: S,
    step: impl Fn(S, char) -> Option<S>,
    ends: impl Fn(S) -> bool,
) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let mut seen = rustc_hash::FxHashSet::default();
    let mut left = vec![(0, start)];
    while let Some((at, state)) = left.pop() {
        // Without this, patterns with several stars would take exponential time.
        if !seen.insert((at, state)) {
            continue;
        }
        let any = || ALPHABET.into_iter().filter_map(|c| step(state, c));
        match pattern.get(at) {
            None if ends(state) => return true,
            None => {}
            // A star ends here, or takes one character and goes on: both are tried.
            Some('*') => {
                left.push((at + 1, state));
                left.extend(any().map(|next| (at, next)));
            }
            Some('?') => left.extend(any().map(|next| (at + 1, next))),
            Some(c) => left.extend(step(state, *c).map(|next| (at + 1, next))),
        }
    }
    false
}
