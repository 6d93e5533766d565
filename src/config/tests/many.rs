//! Many projects, which are resolved on several threads: nothing of what comes of them shows that.

use super::*;
use crate::model::StageKey;

/// Projects, of which those of a part end at each 250th.
const MANY: usize = 1300;

/// A configuration of so many projects, each with its domain; `odd` may say something else of one.
fn site(odd: impl Fn(usize) -> Option<String>) -> String {
    let plain = |n| format!("image: ghcr.io/acme/app, port: 80, route: {{ domains: [ d{n}.test ] }}");
    let project = |n| {
        let keys = odd(n).unwrap_or_else(|| plain(n));
        format!("  app{n:04}: {{ {keys}, stages: {{ prod: {{ track: {{ tag: v{n} }} }} }} }}\n")
    };
    "projects:\n".to_owned() + &(0..MANY).map(project).collect::<String>()
}

/// What is wrong, each with its line.
fn wrong(text: &str) -> Vec<String> {
    match load_tree(tree(&[("site.yaml", text)])) {
        Err(LoadError::Invalid(found)) => {
            found.list.iter().map(|one| format!("{}: {}", one.place.line, one.title)).collect()
        }
        Err(other) => panic!("{other}"),
        Ok(_) => Vec::new(),
    }
}

#[test]
fn many_projects_become_the_stages_that_each_is_alone() {
    let desired = loaded(&site(|_| None)).desired;
    assert_eq!(desired.stages.len(), MANY);
    for n in [0, 249, 250, 777, MANY - 1] {
        let key: StageKey = format!("app{n:04}/prod").parse().unwrap();
        let stage = &desired.stages[&key];
        assert_eq!((stage.key == key, stage.track.version()), (true, format!("v{n}")));
        assert_eq!(stage.domains[0].as_str(), format!("d{n}.test"));
    }
}

#[test]
fn mistakes_in_many_projects_are_told_in_the_order_of_the_file() {
    let bad = [3, 251, 260, 700, 1299];
    let odd = |n| bad.contains(&n).then(|| format!("image: \"UPPER/{n}\", port: 80"));
    let found = wrong(&site(odd));
    let lines: Vec<String> = found.iter().map(|title| title.split(':').next().unwrap().to_owned()).collect();
    assert_eq!(lines, bad.map(|n: usize| (n + 2).to_string()), "{found:?}");
}

#[test]
fn two_projects_far_apart_that_want_the_same_show_the_later_one() {
    let same =
        |n| [10, 1200].contains(&n).then(|| "image: a/b, port: 80, route: { domains: [ same.test ] }".to_owned());
    assert_eq!(wrong(&site(same)), ["1202: `same.test` leads to both `app0010/prod` and `app1200/prod`"]);
    let port = |n| [10, 1200].contains(&n).then(|| "image: a/b, ports: [ \"8080:80\" ]".to_owned());
    assert_eq!(
        wrong(&site(port)),
        ["1202: port 8080/tcp of the host is wanted by both `app0010/prod` and `app1200/prod`"]
    );
    let depends = |n| (n == 5).then(|| "image: a/b, depends_on: [ app1299/prod ]".to_owned());
    assert_eq!(wrong(&site(depends)), Vec::<String>::new());
}

#[test]
fn of_very_many_mistakes_the_first_are_kept_whichever_part_they_are_in() {
    let odd = |n: usize| (n >= 100).then(|| format!("image: \"UPPER/{n}\", port: 80"));
    let (found, again) = (wrong(&site(odd)), wrong(&site(odd)));
    assert_eq!((found.len(), found.first().map(|title| &title[..4])), (200, Some("102:")));
    assert_eq!(found.last().map(|title| &title[..4]), Some("301:"));
    assert_eq!(found, again);
}
