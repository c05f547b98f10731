//! What tests of pages ask of their tags.

/// Elements that have no end tag.
const VOID: [&str; 3] = ["meta", "br", "hr"];

/// The tags of a page in their order, as `name attributes`, after a check that they nest.
pub fn tags(page: &str) -> Vec<String> {
    let mut open: Vec<String> = Vec::new();
    let mut tags = Vec::new();
    let (before, rest) = page.split_once("<style>").unwrap();
    let after = rest.split_once("</style>").unwrap().1;
    for text in [before, after] {
        for part in text.split('<').skip(1) {
            let (tag, _) = part.split_once('>').unwrap_or_else(|| panic!("an open tag: {part}"));
            let name = tag.split_ascii_whitespace().next().unwrap_or_default();
            if let Some(name) = name.strip_prefix('/') {
                assert_eq!(open.pop().as_deref(), Some(name), "an end without its begin");
            } else if !name.starts_with('!') {
                if !VOID.contains(&name) {
                    open.push(name.to_owned());
                }
                tags.push(tag.to_owned());
            }
        }
    }
    assert_eq!(open, Vec::<String>::new(), "left open");
    tags
}

/// The value of an attribute; None if the tag does not have it.
pub fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    tag.split_once(&format!(" {name}=\""))?.1.split('"').next()
}
