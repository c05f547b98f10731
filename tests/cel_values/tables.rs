//! What random expressions are made of: literals at the edges, every function and operator, and
//! whole expressions that are odd.

/// The lines of a table.
fn lines(table: &'static str) -> impl Iterator<Item = &'static str> {
    table.lines().filter(|line| !line.is_empty() && !line.starts_with("# "))
}

/// Literals and their types.
pub fn literals() -> impl Iterator<Item = (&'static str, &'static str)> {
    lines(include_str!("literals.txt")).map(|line| line.split_once(' ').unwrap())
}

/// Templates and the types of their results; `«type»` is an expression of that type.
pub fn templates() -> impl Iterator<Item = (&'static str, &'static str)> {
    lines(include_str!("templates.txt")).map(|line| line.split_once(' ').unwrap())
}

/// Expressions that are tried as they are.
#[allow(dead_code, reason = "of one of the two tests that share this file")]
pub fn edges() -> impl Iterator<Item = String> {
    let written = lines(include_str!("edges.txt")).map(|line| line.replace('⏎', "\n"));
    written.chain([String::new(), " ".to_owned()])
}
