//! Where C2SP tlog-tiles puts the objects of a log. Pure.

/// How many hashes or entries a full tile has.
pub const FULL: u64 = 256;

/// How many levels of hashes one level of tiles holds.
const HEIGHT: u32 = 8;

/// The object that holds the hashes of a tile.
pub fn tile(level: u32, number: u64, width: u64) -> String {
    format!("tile/{level}/{}{}", number_path(number), partial(width))
}

/// The object that holds the entries whose hashes are the tile of level 0 of the same number.
pub fn bundle(number: u64, width: u64) -> String {
    format!("tile/entries/{}{}", number_path(number), partial(width))
}

/// The object that holds an entry in a log of this size.
pub fn bundle_of(entry: u64, size: u64) -> String {
    let number = entry / FULL;
    bundle(number, width(size, 0, number))
}

/// How many items of a level a log of this size has: level 0 counts entries, and each further level
/// full tiles of the one before.
pub fn items(size: u64, level: u32) -> u64 {
    size.checked_shr(HEIGHT * level).unwrap_or(0)
}

/// How many hashes a tile has in a log of this size; 0 if the log has no such tile.
pub fn width(size: u64, level: u32, number: u64) -> u64 {
    items(size, level).saturating_sub(number.saturating_mul(FULL)).min(FULL)
}

/// The index of the first entry below an item of a level.
pub fn first_entry(level: u32, item: u64) -> u64 {
    item.checked_shl(HEIGHT * level).unwrap_or(u64::MAX)
}

/// The object that holds data stored beside the log; None if the digest is not `sha256:` and 64
/// hexadecimal digits. A digest comes from an entry, so that it must not be able to name another path.
pub fn stored(digest: &str) -> Option<String> {
    let hex = digest.strip_prefix("sha256:")?;
    let is_hex = hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    is_hex.then(|| format!("stored/sha256/{hex}"))
}

fn partial(width: u64) -> String {
    if width == FULL { String::new() } else { format!(".p/{width}") }
}

/// Groups of three digits, of which all but the last begin with an `x`.
fn number_path(number: u64) -> String {
    let mut path = format!("{:03}", number % 1000);
    let mut rest = number / 1000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1000);
        rest /= 1000;
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_specification() {
        assert_eq!(tile(0, 0, 256), "tile/0/000");
        assert_eq!(tile(1, 1_234_067, 256), "tile/1/x001/x234/067");
        assert_eq!(tile(2, 1000, 8), "tile/2/x001/000.p/8");
        assert_eq!(bundle(7, 1), "tile/entries/007.p/1");
    }

    #[test]
    fn widths_follow_the_size() {
        for (size, level, number, expected) in [
            (0, 0, 0, 0),
            (1, 0, 0, 1),
            (256, 0, 0, 256),
            (256, 0, 1, 0),
            (256, 1, 0, 1),
            (70_000, 0, 273, 112),
            (70_000, 1, 1, 17),
            (70_000, 2, 0, 1),
            (70_000, 8, 0, 0),
        ] {
            assert_eq!(width(size, level, number), expected, "{size} {level} {number}");
        }
    }

    #[test]
    fn only_a_digest_names_stored_data() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        assert_eq!(stored(&digest).unwrap(), format!("stored/sha256/{}", "0a".repeat(32)));
        for bad in ["sha256:", "0a", "sha256:../../../etc/passwd", &digest.to_uppercase()] {
            assert_eq!(stored(bad), None, "{bad}");
        }
    }
}
