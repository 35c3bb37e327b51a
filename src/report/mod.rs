//! Verdicts in, text out: table, JSON, NDJSON, HTML, Markdown, ladder. Computes no fact.
//!
//! [`build`] makes the report value ([`document`]) from what the stages found; every view is drawn from that value.
//! [`flows`] writes flow records. Whatever stands in a bundle may be hostile: text for a terminal goes through
//! [`words::printable`], text for JSON through [`json::Text::string`].

pub mod build;
pub mod csv;
pub mod document;
pub mod event_lines;
pub mod events;
pub mod flows;
pub mod html;
pub mod json;
pub mod ladder;
mod lanes;
#[cfg(test)]
mod made;
pub mod markdown;
pub mod pcapng;
pub mod redact;
pub mod timeline;
pub mod view;
pub mod words;
