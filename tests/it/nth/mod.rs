//! The every-Nth loop (R15): whatever of a scenario's operations is cut off or goes wrong, it ends as if it had not.
//!
//! *Method.* One counter (`tape`) stands over every edge behind which something lasts: calls to Docker that change
//! something, writes to the proxy's API (`relay`), and transactions of the store (fail points). A scenario is
//! run undisturbed once, which gives its number of operations, what there is at its end (`state`), and how many
//! containers it made. Then, for every operation and every fault, it is run anew on a host of its own:
//!
//! - *crash before*: the operation is not done, and the whole pass is dropped: tasks, store and lock, which is what a
//!   kill leaves;
//! - *crash after*: it is done, and then the pass is dropped before it knows;
//! - *stale*: the same, and the next pass is first shown the containers from before the last change;
//! - *error*: it is not done, and answered with an error, once;
//! - *lost*: it is done, and the answer does not come: a closed connection, for the store an error.
//!
//! From the moment of a crash nothing of that pass reaches anything any more. Then further passes are made, as a daemon
//! would, three at most beyond those that the scenario needs undisturbed. The end must be the same in everything that
//! `state` sees; no client of a stage that is replaced beside the old one may have been left without an answer; no more
//! containers may have been made than `Allowance` says; one more pass must change nothing; and what is foreign must be
//! as it was, byte by byte.
//!
//! *Expected flow*: a test names a scenario of `scenarios`, `run` makes every run of it, and `fault_table` writes what came
//! out of it down for `tests/FAULTS.md`.

mod behind_caddy;
mod clients;
mod disk;
mod front;
pub mod ground;
mod relay;
mod routes;
mod run;
pub mod scenario;
mod scenarios;
mod state;
pub mod tape;
