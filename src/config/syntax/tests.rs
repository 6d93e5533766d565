//! The tree against the YAML crate's own reading of the same text, on documents that chance changes.

use proptest::prelude::*;
use serde::Deserialize as _;
use serde_json::Value as Json;

use super::decode::Context;
use super::reader::Reader;
use super::*;

const SEED: &str = r#"# a comment
x-base: &base { a: 1, b: "two", c: [ 3, 4.5, ~ ] }
projects:
  shop: &shop
    <<: *base
    image: 'it''s'
    text: |
      line one
        line two
    folded: >-
      one
      two
    "quoted \" key": yes
    list:
    - a: b
      c: d
    - [ x, { y: z } ]
    - - nested
  other: { <<: [ *shop, *base ], a: 1.10, d: 0x1F, e: -7, f: true, g: 2024-01-02, h: null }
"#;

fn ours(text: &str) -> Option<Json> {
    let (nodes, problems) = compose(&text.into());
    let nodes = nodes.filter(|_| problems.is_empty())?;
    let cx = Context::default();
    Json::deserialize(Reader::root(nodes.root(), &cx)).ok()
}

fn theirs(text: &str) -> Option<Json> {
    let options = serde_yaml::options! { strict_booleans: true, reject_unsupported_tags: true };
    serde_yaml::from_str_with_options(text, options).ok()
}

#[test]
fn the_tree_reads_what_the_yaml_crate_reads() {
    let (ours, theirs) = (ours(SEED), theirs(SEED));
    assert!(ours.is_some());
    assert_eq!(ours, theirs);
}

proptest! {
    #[test]
    fn a_changed_document_is_read_alike_or_refused(
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0usize..6, "[ \\n:#,\\[\\]{}&*!|>'\"a-c1-3~<-]{0,4}"), 1..4)
    ) {
        let mut text = SEED.to_owned();
        for (at, removed, inserted) in cuts {
            let at = at.index(text.len());
            let end = (at + removed).min(text.len());
            text.replace_range(at..end, &inserted);
        }
        if let (Some(ours), Some(theirs)) = (ours(&text), theirs(&text)) {
            prop_assert_eq!(ours, theirs);
        }
    }
}
