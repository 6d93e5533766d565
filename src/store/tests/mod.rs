//! The store's rules, each as a test in its words.

mod support;

mod deploys;
