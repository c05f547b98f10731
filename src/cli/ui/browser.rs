//! Opens a link in the user's browser, without showing it to other users of the machine.

use std::{
    fs::OpenOptions,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// What opens a file with the program that the user chose for it, by system.
const OPENER: &str = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };

/// The file that a browser was given. Dropped, it is removed.
pub struct OpenedFile(PathBuf);

impl Drop for OpenedFile {
    fn drop(&mut self) {
        // Its link works no longer, so at worst it is clutter.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Opens a link. Failures are told: the link is printed anyway.
///
/// The arguments of a program are for everybody to see, so the browser gets a file that only this user
/// may read, and which leads to the link.
pub fn open(link: &str) -> Option<OpenedFile> {
    let opened = write(link).and_then(|file| start(&file.0).map(|()| file));
    opened
        .inspect_err(|error| {
            eprintln!("The browser can't be opened ({error}): open the link yourself.");
        })
        .ok()
}

fn write(link: &str) -> std::io::Result<OpenedFile> {
    // A folder of this user alone, where there is one.
    let folder = std::env::var_os("XDG_RUNTIME_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let file = folder.join(format!("comptroller-ui-{}.html", std::process::id()));
    let mut options = OpenOptions::new();
    // Never through a file or a link that another user has put there.
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let _ = std::fs::remove_file(&file);
    let page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Comptroller</title><meta http-equiv=\"refresh\" content=\"0; url={link}\"></head><body><a href=\"{link}\">Open Comptroller</a></body></html>\n"
    );
    options.open(&file)?.write_all(page.as_bytes())?;
    Ok(OpenedFile(file))
}

fn start(file: &Path) -> std::io::Result<()> {
    let quiet = Stdio::null;
    let mut opener =
        Command::new(OPENER).arg(file).stdin(quiet()).stdout(quiet()).stderr(quiet()).spawn()?;
    // It may stay for as long as the browser does.
    std::thread::spawn(move || opener.wait());
    Ok(())
}
