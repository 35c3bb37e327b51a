//! JSON and YAML values as trees, of which no more is kept than a bound.
//!
//! Takes what a deserializer reads; gives a [`Value`]. As a tree the smallest values take a hundred times their text, so
//! that one line of a log or one object of a dump could fill the memory. What lies beyond the bound is read and left; the
//! texts, numbers and words that an object holds itself are kept even then, since stamps and names are among them.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// How many values may still be kept.
#[derive(Debug)]
pub struct Room {
    left: u32,
    cut: bool,
}

impl Room {
    /// Room for so many values.
    pub const fn new(most: u32) -> Self {
        Self { left: most, cut: false }
    }

    /// How many more may be kept.
    pub const fn left(&self) -> u32 {
        self.left
    }

    /// There were more values than may be kept.
    pub const fn is_cut(&self) -> bool {
        self.cut
    }
}

/// The fields of a JSON object; none where the text is anything else.
pub fn object(json: &[u8], most: u32) -> Option<Map<String, Value>> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let value = Tree::whole(&mut Room::new(most)).deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    if let Value::Object(fields) = value { Some(fields) } else { None }
}

/// The JSON value that a text begins with, whatever follows.
pub fn first(json: &[u8], most: u32) -> Option<Value> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    Tree::whole(&mut Room::new(most)).deserialize(&mut deserializer).ok()
}

/// Reads one value.
#[derive(Debug)]
pub struct Tree<'r> {
    room: &'r mut Room,
    place: Place,
}

/// Where a value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// By itself.
    Whole,
    /// As a field of the object that is read.
    Field,
    /// Further inside.
    Inside,
}

impl<'r> Tree<'r> {
    /// A value by itself.
    pub const fn whole(room: &'r mut Room) -> Self {
        Self { room, place: Place::Whole }
    }

    /// A field of an object whose other fields are read elsewhere.
    pub const fn field(room: &'r mut Room) -> Self {
        Self { room, place: Place::Field }
    }

    /// What this value holds.
    const fn inner(&mut self) -> Tree<'_> {
        let place = if matches!(self.place, Place::Whole) { Place::Field } else { Place::Inside };
        Tree { room: &mut *self.room, place }
    }
}

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, de: D) -> Result<Value, D::Error> {
        match self.room.left.checked_sub(1) {
            Some(left) => self.room.left = left,
            None if self.place == Place::Inside => {
                self.room.cut = true;
                return de.deserialize_ignored_any(IgnoredAny).map(|_| Value::Null);
            }
            None => {}
        }
        de.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, de: D) -> Result<Value, D::Error> {
        de.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while self.room.left > 0
            && let Some(value) = seq.next_element_seed(self.inner())?
        {
            values.push(value);
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {
            self.room.cut = true;
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while (self.room.left > 0 || self.place == Place::Whole)
            && fields.len() < MAX_FIELDS
            && let Some(key) = map.next_key::<String>()?
        {
            fields.insert(key, map.next_value_seed(self.inner())?);
        }
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
            self.room.cut = true;
        }
        Ok(Value::Object(fields))
    }
}

/// Fields of one object.
pub const MAX_FIELDS: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_what_serde_json_makes_of_the_same_text() {
        for text in [
            r#"{"a": [1, -2, 3.5, true, null, "x", {"b": {}}], "c": "\u00e9"}"#,
            r"[[], {}, [[18446744073709551615]]]",
            r#""text""#,
            "0",
        ] {
            let mut room = Room::new(100);
            let tree = Tree::whole(&mut room).deserialize(&mut serde_json::Deserializer::from_str(text));
            assert_eq!(tree.unwrap(), serde_json::from_str::<Value>(text).unwrap(), "{text}");
            assert!(!room.is_cut());
        }
    }

    #[test]
    fn beyond_the_bound_only_plain_fields_of_the_object_itself_are_kept() {
        let text = r#"{"a": 1, "many": [{"x": 1}, {"x": 2}, {"x": 3}], "deep": {"x": {"y": 1}}, "ts": "now", "n": 2}"#;
        let mut room = Room::new(5);
        let tree = Tree::whole(&mut room).deserialize(&mut serde_json::Deserializer::from_str(text)).unwrap();
        assert!(room.is_cut());
        let expected = r#"{"a": 1, "many": [{"x": 1}], "deep": {}, "ts": "now", "n": 2}"#;
        assert_eq!(tree, serde_json::from_str::<Value>(expected).unwrap());
        assert_eq!(object(text.as_bytes(), 5).map(|o| o.len()), Some(5));
        let many: Vec<String> = (0..70_000).map(|n| format!("\"{n}\": 1")).collect();
        let text = format!("{{{}}}", many.join(","));
        assert_eq!(
            object(text.as_bytes(), 5).map(|o| o.len()),
            Some(65_536),
            "of plain fields too some are enough"
        );
        assert_eq!(object(b"[1]", 5), None);
        assert_eq!(first(b"{} x", 5), Some(Value::Object(Map::new())));
        assert_eq!(object(b"{} x", 5), None, "what follows is no part of it");
    }
}
