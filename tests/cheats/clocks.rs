//! Cheats by the clock.
