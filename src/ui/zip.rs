//! A ZIP archive of files as they are, for a report that is several files. Pure.

use comptroller_report::period::NamedFile;

/// "Stored": without compression, which every program reads.
const VERSION: u16 = 20;

/// Names are UTF-8.
const UTF8: u16 = 1 << 11;

/// The first day that a ZIP can name: the same files are the same archive.
const DAY: u16 = (1 << 5) | 1;

/// Why files don't fit into an archive.
#[derive(Debug, thiserror::Error)]
#[error(
    "the report is larger than 4 GiB, which a ZIP archive can't hold: write it with `comptroller report`"
)]
pub struct TooLarge;

/// Puts files into an archive.
pub fn archive(files: &[NamedFile]) -> Result<Vec<u8>, TooLarge> {
    let (mut archive, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in files {
        let offset = size(archive.len())?;
        let (crc, length) = (crc32(bytes), size(bytes.len())?);
        let name_length = u16::try_from(name.len()).map_err(|_| TooLarge)?;
        // What the entry in the directory and the header before the file have in common.
        let mut common = Vec::new();
        for field in [VERSION, UTF8, 0, 0, DAY] {
            common.extend(field.to_le_bytes());
        }
        for field in [crc, length, length] {
            common.extend(field.to_le_bytes());
        }
        common.extend(name_length.to_le_bytes());
        common.extend(0_u16.to_le_bytes());
        archive.extend(b"PK\x03\x04");
        archive.extend(&common);
        archive.extend(name.as_bytes());
        archive.extend(bytes);
        directory.extend(b"PK\x01\x02");
        directory.extend(VERSION.to_le_bytes());
        directory.extend(&common);
        // No comment, the first disk, no attributes.
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (start, length) = (size(archive.len())?, size(directory.len())?);
    let count = u16::try_from(files.len()).map_err(|_| TooLarge)?;
    archive.append(&mut directory);
    archive.extend(b"PK\x05\x06");
    archive.extend([0; 4]);
    archive.extend([count.to_le_bytes(), count.to_le_bytes()].concat());
    archive.extend([length.to_le_bytes(), start.to_le_bytes()].concat());
    archive.extend(0_u16.to_le_bytes());
    Ok(archive)
}

fn size(bytes: usize) -> Result<u32, TooLarge> {
    u32::try_from(bytes).map_err(|_| TooLarge)
}

/// The CRC-32 of ISO 3309, which a ZIP has of every file.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            let mask = (crc & 1).wrapping_neg();
            crc = (crc >> 1) ^ (0xedb8_8320 & mask);
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn another_program_reads_the_archive() {
        let files = vec![
            ("controls.csv", b"a,b\n1,2\n".to_vec()),
            ("entdeckt \u{fc}.csv", Vec::new()),
            ("large.csv", b"xyz\n".repeat(50_000)),
        ];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.zip");
        std::fs::write(&path, archive(&files).unwrap()).unwrap();
        let script = "import sys, zipfile\nz = zipfile.ZipFile(sys.argv[1])\nassert z.testzip() is None\nprint([(n, len(z.read(n))) for n in z.namelist()])";
        let output = Command::new("python3").args(["-c", script]).arg(&path).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let expected = "[('controls.csv', 8), ('entdeckt ü.csv', 0), ('large.csv', 200000)]\n";
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    }
}
