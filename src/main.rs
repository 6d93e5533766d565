//! The binary (being written).

fn main() {}
