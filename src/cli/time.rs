//! Times on the command line.

pub use comptroller_vocabulary::parse_moment as moment;
