//! A ZIP archive of a report that is several files. Pure.

use std::io::{Cursor, Write};

use comptroller_report::period::NamedFile;
use zip::{CompressionMethod, ZipWriter, result::ZipError, write::SimpleFileOptions};

/// Puts files into an archive. The same files are the same archive, since none of them has a date.
pub fn archive(files: &[NamedFile]) -> Result<Vec<u8>, ZipError> {
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        archive.start_file(*name, stored)?;
        archive.write_all(bytes)?;
    }
    Ok(archive.finish()?.into_inner())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

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
