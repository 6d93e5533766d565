//! One integration binary: every module here is a group of tests.
