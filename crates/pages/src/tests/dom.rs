//! A page as a browser reads it.

use html5ever::{
    ParseOpts, parse_document, tendril::TendrilSink as _, tree_builder::TreeBuilderOpts,
};
use markup5ever_rcdom::{Handle, NodeData, RcDom};

/// An element: its name and its attributes.
pub struct Element {
    pub name: String,
    pub attributes: Vec<(String, String)>,
}

impl Element {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// What a parser made of a page.
pub struct Document {
    /// What a strict parser objects to: an end tag without a begin, an element where none may be, ...
    pub errors: Vec<String>,
    /// All elements in order.
    pub elements: Vec<Element>,
    /// All text in order.
    pub text: String,
}

pub fn parse(page: &str) -> Document {
    let options = ParseOpts {
        tree_builder: TreeBuilderOpts { exact_errors: true, ..TreeBuilderOpts::default() },
        ..ParseOpts::default()
    };
    let dom = parse_document(RcDom::default(), options).one(page);
    // A character that Unicode keeps free is no markup, and a parser passes it on.
    let is_markup = |error: &String| !error.starts_with("Bad character");
    let errors = dom.errors.borrow().iter().map(ToString::to_string).filter(is_markup).collect();
    let mut document = Document { errors, elements: Vec::new(), text: String::new() };
    walk(&dom.document, &mut document);
    document
}

fn walk(node: &Handle, document: &mut Document) {
    match &node.data {
        NodeData::Element { name, attrs, .. } => document.elements.push(Element {
            name: name.local.to_string(),
            attributes: attrs
                .borrow()
                .iter()
                .map(|one| (one.name.local.to_string(), one.value.to_string()))
                .collect(),
        }),
        NodeData::Text { contents } => document.text.push_str(&contents.borrow()),
        _ => {}
    }
    for child in node.children.borrow().iter() {
        walk(child, document);
    }
}
