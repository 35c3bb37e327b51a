//! Verdicts in, text out: table, JSON, NDJSON, HTML, Markdown, ladder. Computes no fact.
