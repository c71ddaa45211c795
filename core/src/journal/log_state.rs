//! Whether the log is clean (being written).
