//! R24: what of the images stays on the host, and what goes.

use super::harness::{Host, WEB, WEB_DOMAIN, WEB_PROD, eventually};

/// A version of the story's own: nobody else has its image.
fn tag(number: u32) -> String {
    format!("k{number}-<id>")
}

fn at(number: u32, more: &str) -> String {
    WEB.replace("tag: v1", &format!("tag: {}", tag(number))).replace("drain: 2s", &format!("drain: 2s\n    {more}"))
}

/// A host with these versions in the registry.
fn host(numbers: std::ops::RangeInclusive<u32>) -> Host {
    let host = Host::new();
    for tag in numbers.map(tag) {
        host.push(&host.text(&tag), &[&format!("VERSION={tag}")]);
    }
    host
}

/// As what the instance that runs was pulled.
fn pulled_as(host: &Host) -> String {
    let container = host.engine.inspect(&host.instance(WEB_PROD).id).expect("the instance");
    container["Config"]["Image"].as_str().expect("a reference").to_owned()
}

/// Our own name for an image.
fn ours(host: &Host, reference: &str) -> String {
    let digest = reference.rsplit_once("@sha256:").expect("a digest").1;
    host.text(&format!("landfall/web-<id>-prod:{}", &digest[..12]))
}

/// Whether an image is there as it was pulled, and as ours.
fn is_here(host: &Host, reference: &str) -> (bool, bool) {
    (host.engine.has_image(reference), host.engine.has_image(&ours(host, reference)))
}

#[test]
fn r24_images_beyond_those_that_are_kept_go_and_those_of_people_stay() {
    let host = host(1..=5);
    let kept = "keep_images: 2";
    // Somebody's own, of the same repository.
    let (from, theirs) = (host.text("<images>/web"), host.text(&tag(5)));
    host.engine.done("POST", &format!("/images/create?fromImage={from}&tag={theirs}"), None);
    let mut images = Vec::new();
    for number in 1..=2 {
        host.deployed("web.yaml", &at(number, kept));
        images.push(pulled_as(&host));
    }
    let mine = host.text("mine-<id>");
    host.engine.done("POST", &format!("/images/{}/tag?repo={mine}&tag=keep", images[1]), None);

    host.write("web.yaml", &at(3, kept));
    host.landfall("diff").exits(2).says("goes: not among the last 2 of web-<id>/prod").says(&tag(1));
    assert_eq!(is_here(&host, &images[0]), (true, true));
    host.landfall("apply").exits(0).says("goes: not among the last 2 of web-<id>/prod");
    images.push(pulled_as(&host));
    assert_eq!(is_here(&host, &images[0]), (false, false));
    host.landfall("diff").exits(0).never_says("goes");

    host.landfall("rollback web-<id>/prod").exits(0).says(&format!("image {} is on the host", images[1]));
    assert_eq!(host.get(WEB_DOMAIN, "/").version, host.text(&tag(2)));
    host.landfall("deploy web-<id>/prod").exits(0).says(&format!("image {} is on the host", images[2]));
    host.deployed("web.yaml", &at(4, kept));
    images.push(pulled_as(&host));
    assert_eq!(is_here(&host, &images[1]), (false, false));
    let here: Vec<_> = images[2..].iter().map(|image| is_here(&host, image)).collect();
    assert_eq!(here, [(true, true); 2]);
    for name in [format!("{mine}:keep"), format!("{from}:{theirs}")] {
        assert!(host.engine.has_image(&name), "{name}");
        host.engine.done("DELETE", &format!("/images/{name}"), None);
    }

    // What went is pulled again for who goes back to it.
    let first = host.history(WEB_PROD).last().expect("a deploy")["id"].as_str().expect("an id").to_owned();
    host.landfall(&format!("rollback web-<id>/prod --to {first}")).exits(0);
    assert_eq!((host.get(WEB_DOMAIN, "/").version, is_here(&host, &images[0])), (host.text(&tag(1)), (true, true)));
}

#[test]
fn r24_the_image_of_what_runs_warm_stays_until_it_goes() {
    let host = host(1..=2);
    let kept = "keep_images: 1\n    monitor: 3s";
    host.deployed("web.yaml", &at(1, kept));
    let old = pulled_as(&host);
    host.write("web.yaml", &at(2, kept));
    let mut apply = host.spawn("apply");
    eventually("the new one has the traffic", || {
        (host.get(WEB_DOMAIN, "/").version == host.text(&tag(2))).then_some(())
    });
    assert_eq!(
        (host.instances(WEB_PROD).len(), is_here(&host, &old)),
        (2, (true, true)),
        "the old one is watched over"
    );
    assert_eq!(apply.ends(), Some(0), "{}", apply.log());
    assert_eq!(is_here(&host, &old), (false, false));
    let new = pulled_as(&host);
    assert_eq!(is_here(&host, &new), (true, true));
}

#[test]
fn r24_the_image_of_a_container_of_somebody_else_stays() {
    let host = host(1..=2);
    host.deployed("web.yaml", &at(1, "keep_images: 1"));
    let old = pulled_as(&host);
    host.engine.run(&host.text("theirs-<id>"), &serde_json::json!({ "Image": old }));
    host.write("web.yaml", &at(2, "keep_images: 1"));
    host.landfall("apply").exits(0).says("stays for now").says("conflict");
    assert!(host.engine.has_image(&old));
    host.landfall("diff").exits(0);
}
