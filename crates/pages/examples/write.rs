//! Writes every page of the samples into a folder, with the stylesheet beside them, to look at, and says
//! what those of a large cluster take (the benchmark `pages` measures it well):
//! `cargo run -p comptroller-pages --features testing --example write -- target/pages`

#![allow(clippy::disallowed_methods, reason = "it writes files for a person to look at")]

use std::{env, fs, io, path::PathBuf, time::Instant};

use comptroller_pages::{Problem, Site, problem, respond, testing};

fn main() -> io::Result<()> {
    let folder = PathBuf::from(env::args().nth(1).unwrap_or_else(|| "target/pages".to_owned()));
    fs::create_dir_all(&folder)?;
    let hostile = testing::hostile(
        "</td><script>alert(1)</script>\u{202e}gpj.exe a-very-long-name-without-any-break-that-goes-on-and-on-and-on-and-on-and-on-and-on",
    );
    write_site(&folder, "", &testing::sample())?;
    write_site(&folder, "hostile-", &hostile)?;
    write_site(&folder, "unknown-", &testing::unknown())?;
    let large = testing::large(10_000);
    for (name, path, query) in [
        ("overview", "/ui/", ""),
        ("controls", "/ui/controls", ""),
        ("list", "/ui/controls", "view=list&page=7"),
        ("control", "/ui/controls/control-00001", "page=3"),
        ("exceptions", "/ui/exceptions", ""),
        ("obligations", "/ui/obligations", ""),
        ("register", "/ui/registers/controls", "page=9"),
    ] {
        let begin = Instant::now();
        let page = respond(&large, path, query);
        let taken = begin.elapsed().as_millis();
        println!("{path}?{query}: {} KiB in {taken} ms, at 10,000 objects", page.body.len() / 1024);
        write(&folder, &format!("large-{name}"), &page.body)?;
    }
    let refused = problem(&Problem::Forbidden(
        "Your user may not list controls: ask for the ClusterRole comptroller-viewer.".to_owned(),
    ));
    write(&folder, "forbidden", &refused.body)?;
    fs::write(folder.join("style.css"), respond(&large, "/ui/style.css", "").body.as_bytes())
}

fn write_site(folder: &std::path::Path, prefix: &str, site: &Site) -> io::Result<()> {
    for (name, address) in testing::addresses(site) {
        let (path, query) = address.split_once('?').unwrap_or((&address, ""));
        write(folder, &format!("{prefix}{name}"), &respond(site, path, query).body)?;
    }
    Ok(())
}

/// From a file a browser finds the stylesheet beside it.
fn write(folder: &std::path::Path, name: &str, body: &str) -> io::Result<()> {
    let name: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    fs::write(folder.join(format!("{name}.html")), body.replace("/ui/style.css", "style.css"))
}
