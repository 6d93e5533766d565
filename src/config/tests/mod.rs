//! Tests of the whole way from text to `Desired`, in memory.

mod boundary;
mod caddy;
mod engine;
mod hostile;
mod loading;
mod many;
mod reading;
mod reload;
mod remedies;
mod routes;
mod routing;
mod rules;
mod scanning;
mod shown;
mod tracking;

use super::{LoadError, Loaded, Tree, load_tree};

/// A tree of some files.
fn tree(files: &[(&str, &str)]) -> Tree {
    Tree::from_memory(files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())))
}

/// What a configuration of one file loads to; panics with the diagnostics.
fn loaded(text: &str) -> Loaded {
    load_tree(tree(&[("site.yaml", text)])).unwrap_or_else(|error| panic!("{error}"))
}

/// What is wrong with some files, as people see it.
fn refused_files(files: &[(&str, &str)]) -> String {
    match load_tree(tree(files)) {
        Err(LoadError::Invalid(found)) => found.render(false),
        Err(other) => other.to_string(),
        Ok(loaded) => panic!("accepted: {:#?}", loaded.desired),
    }
}

/// What is wrong with one file, as people see it.
fn refused(text: &str) -> String {
    refused_files(&[("site.yaml", text)])
}
