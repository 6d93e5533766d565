//! The tags of a repository against a fake registry: all pages of them, and every list that is none.

use landfall::model::Repository;
use landfall::model::retry::Retry;
use landfall::registry::{Access, Credentials, Registry, RegistryError};

use crate::fake_registry::{FakeRegistry, Login, Made, PASSWORD, USER};

/// One registry with a repository of many tags.
struct Ground {
    fake: FakeRegistry,
    repository: Repository,
    registry: Registry,
}

impl Ground {
    fn new(login: Login, tags: usize) -> Self {
        let fake = FakeRegistry::with_login(login);
        for n in 0..tags {
            fake.tag("demo/web", &format!("build-{n:05}"), "sha256:unused");
        }
        Self { repository: fake.repository("demo/web").parse().unwrap(), registry: Registry::new(), fake }
    }

    async fn tags(&self) -> Result<Vec<String>, RegistryError> {
        let login = Credentials { username: USER.into(), password: PASSWORD.into() };
        let access = Access::new(&self.repository, None, Some(login))?;
        self.registry.tags(&self.repository, &access).await
    }

    /// Queries of the requests so far, and whether a login went with them.
    fn asked(&self) -> Vec<(String, bool)> {
        let part = |path: String| path.replace("/v2/demo/web/tags/list?", "");
        self.fake.seen().into_iter().map(|seen| (part(seen.path), seen.authorization.is_some())).collect()
    }

    /// The next answer: these tags, and the next page there.
    fn answer(&self, tags: &str, next: &str) {
        let headers = vec![("link", format!("<{next}>; rel=\"next\""))];
        self.fake.answer_next(Made::Answer(200, headers, format!("{{\"tags\":{tags}}}").into_bytes()));
    }
}

#[tokio::test]
async fn five_thousand_tags_are_five_requests() {
    let ground = Ground::new(Login::None, 5000);
    let tags = ground.tags().await.unwrap();
    assert_eq!((tags.len(), tags[0].as_str(), tags[4999].as_str()), (5000, "build-00000", "build-04999"));
    let asked: Vec<_> = ground.asked().into_iter().map(|(query, _)| query).collect();
    let expected = ["n=1000", "last=build-00999&n=1000", "last=build-01999&n=1000", "last=build-02999&n=1000"];
    assert_eq!(asked[..4], expected);
    assert_eq!(asked.len(), 5);
}

#[tokio::test]
async fn one_login_is_good_for_all_pages() {
    let bearer = Login::Bearer { realm: "{here}/token".into(), expires_in: Some(300), anonymous: false };
    for login in [Login::Basic, bearer] {
        let ground = Ground::new(login.clone(), 2500);
        assert_eq!(ground.tags().await.unwrap().len(), 2500);
        let pages = ground.asked().iter().filter(|(query, known)| query.contains("n=1000") && *known).count();
        let refused = ground.asked().iter().filter(|(_, known)| !known).count();
        assert_eq!((pages, refused), (3, 1), "{login:?}");
    }
}

#[tokio::test]
async fn pages_may_overlap_and_be_named_by_a_whole_address() {
    let ground = Ground::new(Login::Basic, 3);
    ground.answer("[\"z\",\"build-00001\"]", &format!("{}/v2/demo/web/tags/list?n=2&last=a,b", ground.fake.url()));
    assert_eq!(ground.tags().await.unwrap(), ["build-00000", "build-00001", "build-00002", "z"]);
}

#[tokio::test]
async fn a_page_that_is_the_same_does_not_travel_again() {
    let ground = Ground::new(Login::None, 0);
    let page = |tags: &str, etag: &'static str, more: bool| {
        let link = ("link", "<?last=b>; rel=next".to_owned());
        let headers = [("etag", etag.to_owned())].into_iter().chain(more.then_some(link)).collect();
        ground.fake.answer_next(Made::Answer(200, headers, format!("{{\"tags\":{tags}}}").into_bytes()));
    };
    let same = || ground.fake.answer_next(Made::Answer(304, Vec::new(), Vec::new()));
    let marks = || ground.fake.seen().into_iter().map(|seen| seen.if_none_match).collect::<Vec<_>>();
    page("[\"a\",\"b\"]", "\"one\"", true);
    page("[\"c\"]", "\"two\"", false);
    assert_eq!(ground.tags().await.unwrap(), ["a", "b", "c"]);
    ground.fake.forget();
    same();
    page("[\"c\",\"d\"]", "\"three\"", false);
    assert_eq!(ground.tags().await.unwrap(), ["a", "b", "c", "d"]);
    same();
    same();
    assert_eq!(ground.tags().await.unwrap(), ["a", "b", "c", "d"]);
    let marked = |text: &str| Some(format!("\"{text}\""));
    assert_eq!(marks(), [marked("one"), marked("two"), marked("one"), marked("three")]);
}

#[tokio::test]
async fn the_same_as_before_is_no_answer_to_who_knows_nothing() {
    let ground = Ground::new(Login::None, 0);
    ground.fake.answer_next(Made::Answer(304, Vec::new(), Vec::new()));
    let error = ground.tags().await.unwrap_err();
    assert!(error.to_string().contains("status 304"), "{error}");
}

#[tokio::test]
async fn a_repository_whose_tags_are_deleted_has_none_and_one_that_never_was_is_not_found() {
    let ground = Ground::new(Login::None, 0);
    for body in ["{\"name\":\"demo/web\",\"tags\":null}", "{\"tags\":[]}", "{}"] {
        ground.fake.answer_next(Made::Answer(200, Vec::new(), body.into()));
        assert_eq!(ground.tags().await.unwrap(), Vec::<String>::new(), "{body}");
    }
    let error = ground.tags().await.unwrap_err();
    assert!(matches!(error, RegistryError::NotFound { .. }), "{error}");
    assert_eq!(error.retry(), Retry::OnChange);
}

#[tokio::test]
async fn pages_that_lead_in_a_circle_or_never_end_end_the_question() {
    let ground = Ground::new(Login::None, 0);
    ground.answer("[\"a\"]", "?n=1000&last=a");
    ground.answer("[\"b\"]", "/v2/demo/web/tags/list?n=1000");
    let error = ground.tags().await.unwrap_err();
    assert!(error.to_string().contains("in a circle"), "{error}");
    assert_eq!(ground.asked().len(), 2);
    for page in 0..1001 {
        ground.answer("[\"a\"]", &format!("?last={page}"));
    }
    let error = ground.tags().await.unwrap_err();
    assert!(error.to_string().contains("more than 1000 pages"), "{error}");
}

#[tokio::test]
async fn a_list_that_is_too_long_or_is_none_is_refused() {
    let ground = Ground::new(Login::None, 0);
    let many: Vec<_> = (0..100_001).map(|n| n.to_string()).collect();
    let many = serde_json::json!({ "tags": many }).to_string();
    let huge = format!("{{\"tags\":[\"{}\"]}}", "x".repeat(17 * 1024 * 1024));
    let cases = [
        (many.as_str(), "more than 100000 tags"),
        (&huge, "more than 16777216 bytes"),
        ("<html>please log in to this network</html>", "no list of tags"),
        ("{\"tags\":[\"a\",", "no list of tags"),
        ("{\"tags\":\"a\"}", "no list of tags"),
    ];
    for (body, said) in cases {
        ground.fake.answer_next(Made::Answer(200, Vec::new(), body.into()));
        let error = ground.tags().await.unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[tokio::test]
async fn r28_a_next_page_at_another_place_gets_no_login_and_none_in_plain_text_is_asked() {
    let ground = Ground::new(Login::Basic, 1);
    ground.tags().await.unwrap();
    let other = FakeRegistry::start();
    other.tag("demo/web", "theirs", "sha256:unused");
    ground.answer("[\"ours\"]", &format!("{}/v2/demo/web/tags/list", other.url()));
    assert_eq!(ground.tags().await.unwrap(), ["ours", "theirs"]);
    assert_eq!(other.seen().iter().map(|seen| seen.authorization.clone()).collect::<Vec<_>>(), [None]);
    for next in ["http://registry.example.com/v2/demo/web/tags/list", "file:///etc/passwd"] {
        ground.answer("[\"ours\"]", next);
        let error = ground.tags().await.unwrap_err();
        assert!(matches!(error, RegistryError::PlainText { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_list_that_comes_at_one_byte_a_second_ends_the_question_and_is_no_list() {
    let limit = std::time::Duration::from_millis(1500);
    let ground = Ground { registry: Registry::with_timeout(limit), ..Ground::new(Login::None, 1) };
    ground.fake.answer_next(Made::Drip(br#"{"tags":["a","b"]}"#.to_vec()));
    let error = ground.tags().await.unwrap_err();
    assert!(matches!(error, RegistryError::Timeout { limit: told, .. } if told == limit), "{error:?}");
    assert_eq!(error.retry(), Retry::Backoff);
    // The next question is a new one.
    assert_eq!(ground.tags().await.unwrap(), ["build-00000"]);
}
