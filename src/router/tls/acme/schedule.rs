//! When a certificate is to be renewed, and how long to wait after a failure. Pure: the clock is passed in.

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::super::certificate::Seconds;

/// The first pause after a failure; each further one is twice as long.
pub const FIRST_PAUSE: Duration = Duration::from_secs(60);
/// The longest: an authority that counts failures forgets them within hours.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(12 * 3600);

/// When a certificate is to be renewed: with a third of its time left, or up to a tenth of that earlier, which is the
/// same for a host each time and another one for another host, so that not all are due at once.
pub fn renew_at(not_before: Seconds, not_after: Seconds, host: &str) -> Seconds {
    let third = not_after.saturating_sub(not_before) / 3;
    let earlier = (third / 10).checked_mul(u64::from(spread(host))).map_or(0, |product| product / u64::from(u16::MAX));
    not_after.saturating_sub(third).saturating_sub(earlier)
}

/// A number that is a host's own.
fn spread(host: &str) -> u16 {
    let hash = Sha256::digest(host.as_bytes());
    u16::from_be_bytes([hash[0], hash[1]])
}

/// How long to wait after so many failures, of which there is at least one.
pub fn pause(first: Duration, failures: u32) -> Duration {
    let doubled = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
    first.saturating_mul(doubled).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Seconds = 86_400;

    #[test]
    fn a_certificate_of_ninety_days_is_renewed_about_thirty_before_its_end() {
        let (from, to) = (1_000 * DAY, 1_090 * DAY);
        let times: Vec<Seconds> = (0..200).map(|n| renew_at(from, to, &format!("h{n}.test"))).collect();
        for time in &times {
            assert!((to - 33 * DAY..=to - 30 * DAY).contains(time), "{} days before", (to - time) / DAY);
        }
        let days: std::collections::BTreeSet<Seconds> = times.iter().map(|time| time / DAY).collect();
        assert!(days.len() >= 3, "not all on one day: {days:?}");
        assert_eq!(renew_at(from, to, "a.test"), renew_at(from, to, "a.test"));
    }

    #[test]
    fn pauses_double_up_to_half_a_day() {
        let minutes = |failures| pause(FIRST_PAUSE, failures).as_secs() / 60;
        assert_eq!([1, 2, 3, 4, 10, 11, 40, u32::MAX].map(minutes), [1, 2, 4, 8, 512, 720, 720, 720]);
    }

    proptest::proptest! {
        #[test]
        fn a_renewal_is_within_the_time_of_any_certificate(from: u32, lasts: u32, host in "[a-z.]{0,20}") {
            let (from, to) = (u64::from(from), u64::from(from) + u64::from(lasts));
            let at = renew_at(from, to, &host);
            proptest::prop_assert!((from..=to).contains(&at));
            proptest::prop_assert!(to - at <= u64::from(lasts) * 4 / 10);
        }
    }
}
