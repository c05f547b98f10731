//! Tests of the pages as a whole: what they say, that they are sound HTML whatever names are in them, and
//! that every link leads to a page.

mod dom;
mod golden;
mod hostile;
mod truth;
