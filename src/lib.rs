//! wirecause tells from logs and packet captures what really happened when the Kubernetes API server could not reach
//! something over TLS.
//!
//! The stages, left to right; each imports only those to its left and the base modules [`error`], [`time`] and [`tree`]:
//! `bundle → capture → packet → flow → tls, dns → ingest` beside `log` and `cluster`, then
//! `correlate → rules → report → cli`.

pub mod bundle;
pub mod capture;
pub mod cli;
pub mod cluster;
pub mod correlate;
pub mod dns;
pub mod error;
pub mod flow;
pub mod ingest;
pub mod log;
pub mod packet;
pub mod report;
pub mod rules;
pub mod time;
pub mod tls;
pub mod tree;
