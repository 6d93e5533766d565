//! Which release it plays, and what that changes. Every difference between releases is a question here; the rest of
//! the server must not compare versions.

use std::str::FromStr;

/// A release, as in `2.15.1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    pub major: u32,
    pub minor: u32,
    pub revision: u32,
}

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<u32> = text.split('.').map_while(|part| part.parse().ok()).collect();
        match parts[..] {
            [major, minor, revision] => Ok(Self { major, minor, revision }),
            _ => Err(format!("{text} is no version")),
        }
    }
}

impl Version {
    const fn is_since(self, minor: u32, revision: u32) -> bool {
        self.major > 2 || self.major == 2 && (self.minor > minor || self.minor == minor && self.revision >= revision)
    }

    /// Switches are `true` and `false` when read, not 1 and 0.
    pub fn reads_booleans(self) -> bool {
        self.is_since(12, 0)
    }

    /// All violations of a schema are told, in the words of the newer validator.
    pub fn tells_all_violations(self) -> bool {
        self.is_since(12, 0)
    }

    /// A login may name how long the token lives.
    pub fn takes_expiry_at_login(self) -> bool {
        !self.is_since(12, 0)
    }

    /// A change has to change something.
    pub fn refuses_empty_change(self) -> bool {
        self.is_since(12, 0)
    }

    /// A refused login does not say whether it was the name or the password.
    pub fn hides_which_half_was_wrong(self) -> bool {
        self.is_since(12, 2)
    }

    /// Login errors are 400, and a missing permission is a 404 for a path (or, once, a 500). Before: 401 and 403.
    pub fn has_lost_its_401_and_403(self) -> bool {
        self.is_since(13, 0)
    }

    /// Who asks for a certificate of Let's Encrypt says with which email; from then on it is refused.
    pub fn wants_email_for_certificates(self) -> bool {
        !self.is_since(13, 0)
    }

    /// The health answer says whether there is a user.
    pub fn tells_setup(self) -> bool {
        self.is_since(13, 0)
    }

    /// A missing item is `Not Found - 7`, not `Item Not Found - 7`.
    pub fn words_missing_items_anew(self) -> bool {
        self.is_since(13, 0)
    }

    /// A user may have a second factor.
    pub fn knows_two_factor(self) -> bool {
        self.is_since(13, 6)
    }

    /// Hosts have `trust_forwarded_proto`.
    pub fn knows_forwarded_proto(self) -> bool {
        self.is_since(14, 0)
    }

    /// A body that is missing is undefined, not an empty object.
    pub fn tells_missing_body(self) -> bool {
        self.is_since(14, 0)
    }

    /// An error names its code also when it is a 500.
    pub fn always_tells_code(self) -> bool {
        self.is_since(15, 0)
    }

    /// Most names that one host may have.
    pub fn most_domains(self) -> usize {
        match (self.is_since(11, 2), self.is_since(11, 0)) {
            (true, _) => 100,
            (false, true) => 30,
            (false, false) => 15,
        }
    }
}

#[test]
fn versions_compare_by_number() {
    let version = |text: &str| text.parse::<Version>().unwrap();
    assert!(version("2.12.10").hides_which_half_was_wrong());
    assert!(!version("2.9.22").reads_booleans());
    assert!(version("3.0.0").knows_forwarded_proto());
    assert_eq!(["2.10.4", "2.11.1", "2.11.2"].map(|text| version(text).most_domains()), [15, 30, 100]);
    assert!("2.15".parse::<Version>().is_err());
}
