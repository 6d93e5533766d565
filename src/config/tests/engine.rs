//! Keys of the deploy engine: how many stages at once, and what a deploy waits for, runs and watches.

use super::rules::titles;
use super::*;

#[test]
fn so_many_stages_at_a_time_is_a_number_from_one_to_sixty_four() {
    let settings = |lines: &str| format!("settings: {{ {lines} }}\nprojects: {{}}\n");
    let count = |lines: &str| loaded(&settings(lines)).desired.settings.max_concurrent_deploys;
    assert_eq!(["", "max_concurrent_deploys: 1", "max_concurrent_deploys: 64"].map(count), [4, 1, 64]);
    for bad in ["0", "65"] {
        let title = format!("`max_concurrent_deploys` is {bad}");
        assert_eq!(titles(&settings(&format!("max_concurrent_deploys: {bad}"))), [title]);
    }
}
