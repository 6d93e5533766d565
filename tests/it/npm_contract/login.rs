//! Logins and tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::Target;

const LIST: &str = "/nginx/proxy-hosts";

/// What a token says about itself.
fn payload(token: &str) -> Value {
    let middle = token.split('.').nth(1).expect("three parts");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(middle).expect("base64")).expect("JSON")
}

fn lifetime(token: &str) -> i64 {
    let payload = payload(token);
    payload["exp"].as_i64().unwrap() - payload["iat"].as_i64().unwrap()
}

#[tokio::test]
async fn a_login_gives_a_token_for_a_day_whatever_the_case_of_the_name() {
    let target = Target::asked().await;
    let (email, password) = target.admin();
    let login = json!({ "identity": format!(" {} ", email.to_uppercase()), "secret": password });
    let (status, answer) = target.ask_as(None, "POST", "/tokens", Some(&login)).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(lifetime(answer["token"].as_str().unwrap()), 86_400);
    let expires = answer["expires"].as_str().unwrap();
    assert_eq!((expires.len(), &expires[10..11], &expires[19..20], &expires[23..]), (24, "T", ".", "Z"), "{expires}");
    assert_eq!(payload(target.token())["scope"], json!(["user"]));
}

#[tokio::test]
async fn a_bad_login_is_a_400_that_does_not_say_what_was_wrong() {
    let target = Target::asked().await;
    for (identity, secret) in [(target.admin().0, "wrong password"), ("nobody@example.com", target.admin().1)] {
        let login = json!({ "identity": identity, "secret": secret });
        let (status, answer) = target.ask_as(None, "POST", "/tokens", Some(&login)).await;
        assert_eq!((status, &answer["error"]["message"]), (400, &json!("Invalid email or password")), "{identity}");
    }
}

#[tokio::test]
async fn a_login_may_not_ask_for_how_long() {
    let target = Target::asked().await;
    let (identity, secret) = target.admin();
    let login = json!({ "identity": identity, "secret": secret, "expiry": "1y" });
    let (status, answer) = target.ask_as(None, "POST", "/tokens", Some(&login)).await;
    assert_eq!((status, &answer["error"]["message"]), (400, &json!("data must NOT have additional properties")));
}

#[tokio::test]
async fn a_token_is_refreshed_for_as_long_as_one_likes_but_a_month_is_a_minute() {
    let target = Target::asked().await;
    for (expiry, seconds) in [("", 86_400), ("?expiry=30d", 30 * 86_400), ("?expiry=2h", 7200), ("?expiry=1M", 60)] {
        let answer = target.done("GET", &format!("/tokens{expiry}"), None).await;
        assert_eq!(lifetime(answer["token"].as_str().unwrap()), seconds, "{expiry}");
    }
    let (status, answer) = target.ask("GET", "/tokens?expiry=tomorrow", None).await;
    assert_eq!((status, &answer["error"]["message"]), (400, &json!("Invalid expiry time: tomorrow")));
}

#[tokio::test]
async fn without_a_token_a_list_is_not_found_and_a_create_is_trouble() {
    let target = Target::asked().await;
    let (status, answer) = target.ask_as(None, "GET", LIST, None).await;
    assert_eq!((status, &answer["error"]["message"]), (404, &json!("Not Found - /nginx/proxy-hosts")));
    let (status, answer) = target.ask_as(None, "DELETE", "/nginx/proxy-hosts/1", None).await;
    assert_eq!((status, &answer["error"]["message"]), (404, &json!("Not Found - /nginx/proxy-hosts/1")));
    let (status, answer) = target.ask_as(None, "POST", LIST, Some(&target.host("web", 80))).await;
    assert_eq!((status, &answer["error"]["message"]), (500, &json!("Internal Error")));
    // What is wrong with a body is told to anybody.
    let (status, answer) = target.ask_as(None, "POST", LIST, Some(&json!({ "id": 1 }))).await;
    assert_eq!(status, 400, "{answer}");
}

#[tokio::test]
async fn a_token_that_was_tampered_with_is_trouble() {
    let target = Target::asked().await;
    let (open, _) = target.token().rsplit_once('.').unwrap();
    for token in ["no-token", &format!("{open}.AAAA")] {
        let (status, answer) = target.ask_as(Some(token), "GET", LIST, None).await;
        assert_eq!((status, &answer["error"]["message"]), (500, &json!("Internal Error")), "{token}");
    }
}

#[tokio::test]
async fn an_old_token_is_a_400_and_survives_a_new_password_until_then() {
    let target = Target::asked().await;
    let Some(npm) = target.npm() else { return };
    npm.set_password(target.admin().0, "another password");
    assert_eq!(target.ask("GET", LIST, None).await.0, 200);
    npm.expire_tokens();
    let (status, answer) = target.ask("GET", LIST, None).await;
    assert_eq!((status, &answer["error"]["message"]), (400, &json!("Token has expired")));
    assert_eq!(answer["error"]["message_i18n"]["name"], "TokenExpiredError");
}

#[tokio::test]
async fn new_keys_end_every_token() {
    let target = Target::asked().await;
    let Some(npm) = target.npm() else { return };
    npm.replace_keys();
    assert_eq!(target.ask("GET", LIST, None).await.0, 500);
    let token = target.log_in(target.admin().0, target.admin().1).await;
    assert_eq!(target.ask_as(Some(&token), "GET", LIST, None).await.0, 200);
}

#[tokio::test]
async fn a_user_with_a_second_factor_gets_200_and_no_token() {
    let target = Target::asked().await;
    let Some(npm) = target.npm() else { return };
    npm.add_user("robot@example.com", "a long password", false, "manage");
    npm.require_two_factor("robot@example.com");
    let login = json!({ "identity": "robot@example.com", "secret": "a long password" });
    let (status, answer) = target.ask_as(None, "POST", "/tokens", Some(&login)).await;
    assert_eq!((status, &answer["requires_2fa"], answer.get("token")), (200, &json!(true), None));
    let challenge = answer["challenge_token"].as_str().unwrap();
    assert_eq!(target.ask_as(Some(challenge), "GET", LIST, None).await.0, 404);
    let mut factor = json!({ "challenge_token": challenge, "code": "000000" });
    let (status, answer) = target.ask_as(None, "POST", "/tokens/2fa", Some(&factor)).await;
    assert_eq!((status, &answer["error"]["message_i18n"]), (400, &json!("error.invalid-2fa")));
    factor["code"] = json!("123456");
    let (status, answer) = target.ask_as(None, "POST", "/tokens/2fa", Some(&factor)).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(target.ask_as(answer["token"].as_str(), "GET", LIST, None).await.0, 200);
}
