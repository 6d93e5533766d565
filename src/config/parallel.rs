//! The same work on many things, on a few threads: parsing files, resolving projects.
//!
//! *Guarantee*: what comes out is in the order of what went in, whoever was faster.

use std::num::NonZero;
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Most threads: a host has other work than its configuration.
const MAX_THREADS: usize = 4;

/// Does something with each; on several threads where there is `much` to do, since to start one takes longer than a
/// little work.
pub(super) fn each<T: Send, R: Send>(all: Vec<T>, much: bool, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(MAX_THREADS).min(all.len());
    if threads < 2 || !much {
        return all.into_iter().map(work).collect();
    }
    let left = Mutex::new(all.into_iter().enumerate());
    // Each takes the next that nobody took: they differ in size.
    let next = || left.lock().unwrap_or_else(PoisonError::into_inner).next();
    let run = || std::iter::from_fn(next).map(|(at, one)| (at, work(one))).collect::<Vec<_>>();
    let mut done: Vec<(usize, R)> = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(run)).collect();
        let own = run();
        let joined =
            others.into_iter().map(|other| other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        joined.flatten().chain(own).collect()
    });
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_out_is_in_the_order_of_what_went_in_on_one_thread_and_on_several() {
        for much in [false, true] {
            let all: Vec<u64> = (0..5000).collect();
            let uneven = |n: u64| (0..n % 97).fold(n, |sum, _| std::hint::black_box(sum));
            assert_eq!(each(all.clone(), much, uneven), all);
        }
        assert_eq!(each(Vec::<u8>::new(), true, |n| n), Vec::<u8>::new());
    }
}
