//! The store's rules, each as a test in its words.

mod backup;
mod by_hand;
mod child;
mod conditions;
mod config;
mod damage;
mod deploys;
mod images;
mod instances;
mod locking;
mod logs;
mod migrations;
mod opening;
mod reading;
mod retention;
mod support;
