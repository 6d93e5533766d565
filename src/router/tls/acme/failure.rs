//! Why there is no certificate, and whose concern that is: the host's alone, or everyone's who asks the same authority.

use instant_acme::{Error, Problem};

use super::super::certificate::Seconds;

/// What the types of an authority's problems begin with (RFC 8555, 6.7).
const PROBLEM: &str = "urn:ietf:params:acme:error:";

/// Whom a failure concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concern {
    /// The host that was asked for.
    Host,
    /// All of them: the authority is down, has no account for us, or wants to be left alone.
    Everyone,
}

/// Why there is no certificate.
#[derive(Debug)]
pub struct Failure {
    /// For people.
    pub text: String,
    /// Who waits for it to pass.
    pub concern: Concern,
    /// The authority does not know the account any more.
    pub is_account_gone: bool,
    /// When it wants to be asked again, in seconds since 1970, if it said so.
    pub not_before: Option<Seconds>,
}

impl Failure {
    /// Of a host, with a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), concern: Concern::Host, is_account_gone: false, not_before: None }
    }

    /// Of everyone, with a text.
    pub fn common(text: impl Into<String>) -> Self {
        Self { concern: Concern::Everyone, ..Self::new(text) }
    }

    /// Of what was said while an account was opened.
    pub fn before_account(error: &Error) -> Self {
        let is_account_gone = kind(error) == "accountDoesNotExist";
        Self { is_account_gone, ..Self::common(error.to_string()) }
    }

    /// Of what was said to an order that does not exist.
    pub fn before_order(error: &Error, host: &str) -> Self {
        let concern = match kind(error) {
            // The name itself is refused, and another one is not.
            "rejectedIdentifier" | "unsupportedIdentifier" | "malformed" | "caa" | "dns" => Concern::Host,
            "rateLimited" => limited(error, host),
            _ => Concern::Everyone,
        };
        Self { concern, ..Self::before_account(error) }
    }

    /// Of what was said to an order that exists.
    pub fn in_order(error: &Error, host: &str) -> Self {
        let concern = match (error, kind(error)) {
            (_, "rateLimited") => limited(error, host),
            (_, "serverInternal" | "accountDoesNotExist") => Concern::Everyone,
            (Error::Api(_) | Error::Timeout(_), _) => Concern::Host,
            // No answer, or none that ACME knows.
            (_, _) => Concern::Everyone,
        };
        Self { concern, ..Self::before_account(error) }
    }

    /// The authority wants to be left alone until then.
    pub fn not_before(self, not_before: Option<Seconds>) -> Self {
        Self { not_before, ..self }
    }
}

/// The type of an authority's problem; nothing for what is none.
fn kind(error: &Error) -> &str {
    match error {
        Error::Api(Problem { r#type: Some(kind), .. }) => kind.strip_prefix(PROBLEM).unwrap_or_default(),
        _ => "",
    }
}

/// A limit may be one of a name (too many certificates or failures for it): if all waited for that, one host would keep
/// all others from theirs. Only the text says of which it is: Let's Encrypt names what it counts.
fn limited(error: &Error, host: &str) -> Concern {
    let Error::Api(Problem { detail: Some(detail), .. }) = error else { return Concern::Everyone };
    let is_of_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let words = || detail.split(|c| !is_of_word(c)).map(|word| word.trim_matches('.'));
    let mut suffixes = std::iter::successors(Some(host), |name| name.split_once('.').map(|(_, parent)| parent));
    // A last label alone may be any word.
    let is_of_name = suffixes.any(|name| name.contains('.') && words().any(|word| word == name));
    if is_of_name || detail.contains("set of identifiers") { Concern::Host } else { Concern::Everyone }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(kind: &str, detail: &str) -> Error {
        let json = serde_json::json!({ "type": format!("{PROBLEM}{kind}"), "detail": detail });
        Error::Api(serde_json::from_value(json).unwrap())
    }

    #[test]
    fn what_is_said_before_an_order_exists_concerns_everyone_unless_the_name_is_refused() {
        for kind in ["serverInternal", "rateLimited", "unauthorized", "accountDoesNotExist", "badNonce"] {
            let failure = Failure::before_order(&problem(kind, "no"), "a.test");
            assert_eq!(failure.concern, Concern::Everyone, "{kind}");
            assert_eq!(failure.is_account_gone, kind == "accountDoesNotExist");
        }
        assert_eq!(Failure::before_order(&Error::Str("nonsense"), "a.test").concern, Concern::Everyone);
        for kind in ["rejectedIdentifier", "caa"] {
            assert_eq!(Failure::before_order(&problem(kind, "no"), "a.test").concern, Concern::Host, "{kind}");
            assert_eq!(Failure::before_account(&problem(kind, "no")).concern, Concern::Everyone, "{kind}");
        }
    }

    #[test]
    fn what_is_said_to_an_order_concerns_its_host_unless_the_authority_does_not_do_its_part() {
        for kind in ["serverInternal", "rateLimited"] {
            assert_eq!(Failure::in_order(&problem(kind, "no"), "a.test").concern, Concern::Everyone, "{kind}");
        }
        assert_eq!(Failure::in_order(&Error::Other("broken".into()), "a.test").concern, Concern::Everyone);
        for error in [problem("unauthorized", "no"), problem("connection", "no"), Error::Timeout(None)] {
            assert_eq!(Failure::in_order(&error, "a.test").concern, Concern::Host, "{error}");
        }
    }

    #[test]
    fn a_limit_of_one_name_holds_up_nobody_else() {
        let of = |detail: &str| Failure::before_order(&problem("rateLimited", detail), "www.a.test").concern;
        assert_eq!(of("too many new orders (300) from this account in the last 3h0m0s"), Concern::Everyone);
        assert_eq!(of("too many failed authorizations (5) for \"www.a.test\" in the last 1h0m0s"), Concern::Host);
        assert_eq!(of("too many certificates (50) already issued for \"a.test\" in the last 168h0m0s"), Concern::Host);
        assert_eq!(of("too many certificates (5) already issued for this exact set of identifiers"), Concern::Host);
        assert_eq!(
            of("temporarily prevented from requesting certificates for a.test and possibly others."),
            Concern::Host
        );
        assert_eq!(of("too many certificates for \"b.test\""), Concern::Everyone);
        assert_eq!(of("this test is over for www-a.test"), Concern::Everyone);
    }
}
