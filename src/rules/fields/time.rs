//! Fields about time: deadlines and silences of a call.

use super::{CaseView, Field};
use crate::correlate::CaseFacts;
use crate::flow::Dir;
use crate::rules::expr::{Kind, Value};
use crate::time::TimeDelta;

/// What is not known of a case is unknown, never absent.
fn fact<'a>(view: &CaseView<'a>, read: impl FnOnce(&'a CaseFacts) -> Option<TimeDelta>) -> Value<'a> {
    view.case(|c| read(&c.facts).map_or(Value::Unknown, Value::Span))
}

const SIDES: &[&str] = &["orig", "resp"];

#[rustfmt::skip]
pub(super) const FIELDS: &[Field] = &[
    Field::new("time.deadline", Kind::Span, "Deadline of the call.", "time.deadline == 10s", |v| fact(v, |f| f.deadline)),
    Field::new("time.elapsed", Kind::Span, "From the start of the attempt on the wire to the log line, or to the end of the flow.", "time.elapsed >= time.deadline", |v| fact(v, |f| f.elapsed)),
    Field::new("time.silence", Kind::Span, "From the last step forward until the caller gave up or the peer spoke; unknown if the capture ends first.", "time.silence >= 10s", |v| v.case(|c| match (c.facts.capture_ends_first, c.facts.silence) { (Some(true), _) | (_, None) => Value::Unknown, (_, Some(s)) => s.into() })),
    Field::new("time.silent", Kind::Word(SIDES), "Who is silent.", "time.silent == resp", |v| v.case(|c| c.facts.silent.map_or(Value::Unknown, |d| Dir::name(d).into()))),
    Field::new("time.deadline_left", Kind::Span, "What was left of the deadline when the last step forward was made.", "time.silence >= time.deadline_left", |v| fact(v, |f| f.deadline_left)),
    Field::new("time.response_after", Kind::Span, "From the request to the first byte of the response, also after the deadline; absent where none came.", "time.response_after > time.deadline", |v| v.case(|c| c.facts.response_after.into())),
    Field::new("time.idle_before", Kind::Span, "How long a connection used again had been idle before the request of this call.", "time.idle_before > 30s", |v| v.case(|c| c.facts.idle_before.into())),
    Field::new("time.call", Kind::Span, "Duration of the call as the log line or its trace says.", "time.call > 500ms", |v| v.log(|e| e.fields.duration.map_or(Value::Unknown, Value::Span))),
];
