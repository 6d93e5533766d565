//! Logins, second factors and fresh tokens.

use serde_json::{Value, json};

use super::Shared;
use super::api::{Asked, Outcome, nowhere};
use super::refusal::Refusal;
use super::schema::{Fields, Rule};
use super::token::Life;
use super::version::Version;

/// A challenge lives five minutes.
const CHALLENGE: &str = "5m";
/// The second factor of whoever has one.
const CODE: &str = "123456";

/// `/tokens` and below.
pub fn tokens(shared: &Shared, asked: &Asked) -> Outcome {
    let version = shared.lock().version;
    match (asked.method.as_str(), asked.route()) {
        ("POST", "/tokens" | "/tokens/") => log_in(shared, asked, version),
        ("GET", "/tokens" | "/tokens/") => refresh(shared, asked, version),
        ("POST", "/tokens/2fa") if version.knows_two_factor() => second_factor(shared, asked, version),
        _ => Err(nowhere(asked)),
    }
}

fn log_in(shared: &Shared, asked: &Asked, version: Version) -> Outcome {
    let mut known = vec![
        ("identity", Rule::Text { min: 1, max: usize::MAX, forbidden: "" }),
        ("secret", Rule::Text { min: 1, max: usize::MAX, forbidden: "" }),
        ("scope", Rule::OneOf(&["user"])),
    ];
    if version.takes_expiry_at_login() {
        known.push(("expiry", Rule::text()));
    }
    let rules = Fields { required: &["identity", "secret"], known, at_least: 0 };
    let body = rules.check(version, asked.json()?).map_err(Refusal::Wrong)?;
    let text = |name: &str| body[name].as_str().unwrap_or_default();
    let mut world = shared.lock();
    let Some(user) = world.user_by_email(text("identity")) else { return Err(unknown_user(version)) };
    let (id, has_two_factor) = (user.id, user.has_two_factor && version.knows_two_factor());
    if user.password != text("secret") {
        return Err(wrong_password(version));
    }
    if has_two_factor {
        let (challenge, _) = world.mint.give(id, "2fa-challenge", life(CHALLENGE)?);
        return Ok((200, json!({ "requires_2fa": true, "challenge_token": challenge })));
    }
    let expiry = body["expiry"].as_str().unwrap_or(&world.token_life);
    let life = life(expiry)?;
    let (token, expires) = world.mint.give(id, "user", life);
    Ok((200, json!({ "token": token, "expires": expires })))
}

fn refresh(shared: &Shared, asked: &Asked, version: Version) -> Outcome {
    let refusal = if version.has_lost_its_401_and_403() { Refusal::Trouble } else { Refusal::WrongSomehow };
    let token = asked.token().ok_or(refusal)?;
    let mut world = shared.lock();
    let expiry = asked.query("expiry").unwrap_or_else(|| world.token_life.clone());
    let token = world.mint.read(token)?;
    // The scope is taken over: what was a challenge stays one.
    let (token, expires) = world.mint.give(token.user, &token.scope, life(&expiry)?);
    Ok((200, json!({ "token": token, "expires": expires })))
}

fn second_factor(shared: &Shared, asked: &Asked, version: Version) -> Outcome {
    let known = vec![
        ("challenge_token", Rule::Text { min: 1, max: usize::MAX, forbidden: "" }),
        ("code", Rule::Text { min: 6, max: 8, forbidden: "" }),
    ];
    let rules = Fields { required: &["challenge_token", "code"], known, at_least: 0 };
    let body: Value = rules.check(version, asked.json()?).map_err(Refusal::Wrong)?;
    let mut world = shared.lock();
    let challenge = world.mint.read(body["challenge_token"].as_str().unwrap_or_default());
    let challenge = challenge.map_err(|_| Refusal::Login("Invalid or expired challenge token".into(), false))?;
    if challenge.scope != "2fa-challenge" {
        return Err(Refusal::Login("Invalid challenge token".into(), false));
    }
    if body["code"] != CODE {
        return Err(Refusal::SecondFactor);
    }
    let life = life(&world.token_life)?;
    let (token, expires) = world.mint.give(challenge.user, "user", life);
    Ok((200, json!({ "token": token, "expires": expires })))
}

fn life(expiry: &str) -> Result<Life, Refusal> {
    Life::parse(expiry).ok_or_else(|| Refusal::Login(format!("Invalid expiry time: {expiry}"), false))
}

fn unknown_user(version: Version) -> Refusal {
    let hidden = version.hides_which_half_was_wrong();
    Refusal::Login(if hidden { "Invalid email or password" } else { "No relevant user found" }.to_owned(), false)
}

fn wrong_password(version: Version) -> Refusal {
    let hidden = version.hides_which_half_was_wrong();
    Refusal::Login(if hidden { "Invalid email or password" } else { "Invalid password" }.to_owned(), hidden)
}
