//! Tests against real parts: they need the variables that `tests/run.sh` and `tests/ground/enter` set.

mod docker;
